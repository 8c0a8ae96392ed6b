"""The kinds of value that keys of the configuration have, and what each refuses by itself. Owns no key."""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.oauth.policy import KNOWN_REDIRECTS
from sidecar.settings import urls

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    found = re.fullmatch(r"(\d+)([smhd]?)", value) if isinstance(value, str) else None
    if found:
        return int(found[1]) * _UNITS[found[2]]
    if isinstance(value, str):
        raise ValueError("must be seconds, or a number with s, m, h or d")  # noqa: TRY004 - pydantic wants ValueError
    return value


def _switch(value: object) -> object:
    """YAML reads a bare `on` or `off` as a boolean."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _bind(value: str) -> str:
    urls.bind(value)
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


def _scope(value: str) -> str:
    if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", value):  # RFC 6749 3.3
        raise ValueError("a scope is printable ASCII without blanks, quotes and backslashes")
    return value


def redirect_hosts(value: object) -> object:
    return KNOWN_REDIRECTS if value == "known" else value


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
Seconds = Annotated[int, BeforeValidator(_seconds)]
Switch = BeforeValidator(_switch)
Address = Annotated[str, AfterValidator(_bind)]
PublicUrl = Annotated[str, AfterValidator(urls.public_url)]
UpstreamUrl = Annotated[str, AfterValidator(urls.upstream_url)]
Scopes = Annotated[tuple[Annotated[str, AfterValidator(_scope)], ...], Field(max_length=100)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)
