"""The kinds of value that keys of the configuration have, and what each refuses by itself. Owns no key."""

import ipaddress
import math
import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.oauth.policy import KNOWN_REDIRECTS
from sidecar.settings import urls
from sidecar.settings.binds import bind

_LAST_MOMENT = 0xFFFFFFFF
"""What a client id has room for. Milliseconds are beyond, so nobody's are taken for seconds."""
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    found = re.fullmatch(r"(\d+)([smhd]?)", value) if isinstance(value, str) else None
    if found:
        return int(found[1]) * _UNITS[found[2]]
    if isinstance(value, str):
        raise ValueError("must be seconds, or a number with s, m, h or d, such as 30m")  # noqa: TRY004 - pydantic wants it
    return value


def _moment(value: object) -> object:
    """YAML reads an unquoted timestamp as one. A fraction counts as the next second: more is cut off, not less."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,10}", value):
        return int(value)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime) and value.tzinfo:
        return math.ceil(value.timestamp())
    if type(value) is int:
        return value
    raise ValueError("must be a time with its zone, such as 2026-01-31T12:00:00Z, or Unix seconds")


def _switch(value: object) -> object:
    """YAML reads a bare `on` or `off` as a boolean."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _bind(value: str) -> str:
    bind(value)
    return value


def network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("must be an address or a network such as 203.0.113.0/24, with no bit set behind it") from None
    return value


def some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("must name at least one")
    return values


def host_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", value):
        raise ValueError("must be a host name in lower case, without scheme, port and path")
    return value


def host_pattern(value: str) -> str:
    host_name(value.removeprefix("*."))
    return value


def static_client_id(value: str) -> str:
    if value and not re.fullmatch(r"(?!dcr)[A-Za-z0-9._~-]{1,128}", value):
        raise ValueError("must be letters, digits and . _ ~ -, and not begin with dcr, as ids of our making do")
    return value


def redirect_hosts(value: object) -> object:
    return KNOWN_REDIRECTS if value == "known" else value


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Seconds = Annotated[int, BeforeValidator(_seconds)]
Moment = Annotated[int, BeforeValidator(_moment, json_schema_input_type=int | str), Field(ge=0, le=_LAST_MOMENT)]
Switch = BeforeValidator(_switch)
Address = Annotated[str, AfterValidator(_bind)]
PublicUrl = Annotated[str, AfterValidator(urls.public_url)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)
