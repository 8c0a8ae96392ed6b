"""The members of a client's metadata (RFC 7591 2), read one at a time, whether they came in a body or in a document.

Owns what a member must be to be understood, and what is narrowed or refused. Every function raises
InvalidClientMetadata and nothing else. Which members matter, and what their absence means, the callers decide.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from sidecar.oauth.errors import InvalidClientMetadata
from sidecar.oauth.texts import is_link, is_plain

MAX_REDIRECT_URIS = 16
MAX_LIST = 32
GRANT_TYPES = ("authorization_code", "refresh_token")
RESPONSE_TYPES = ("code",)

_SCOPE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{0,4096}")

ApplicationType = Literal["", "native", "web"]
Members = Mapping[str, Any]


def present(body: object) -> dict[str, Any]:
    """The members that say something: an absent member, a null one and an empty one say the same."""
    if not isinstance(body, dict):
        raise InvalidClientMetadata("The body must be a JSON object.")
    return {name: value for name, value in body.items() if isinstance(name, str) and value not in (None, "", [])}


def string(members: Members, name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise InvalidClientMetadata("A member that must be a string is not one.", reason=_shown(name))
    return value


def strings(members: Members, name: str, limit: int = MAX_LIST) -> list[str]:
    """The member must be there."""
    value = members[name]
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, str) for item in value):
        raise InvalidClientMetadata(f"The {name} must be a list of at most {limit} strings.")
    return value


def text(members: Members, name: str) -> str:
    """What people will read."""
    value = string(members, name).strip(" ")
    if not is_plain(value):
        raise InvalidClientMetadata("A text is too long or has characters that are not shown.", reason=_shown(name))
    return value


def link(members: Members, name: str) -> str:
    """A fragment is cut off: it names a place in a page, and pages of projects are often given with one."""
    value = string(members, name).strip(" ").partition("#")[0]
    if value and not is_link(value):
        raise InvalidClientMetadata("A link is not a plain http or https URL.", reason=_shown(name))
    return value


def grant_types(members: Members) -> tuple[str, ...]:
    """Those we have. `refresh_token` alone leads nowhere, so the code grant comes with it (RFC 7591 2.1)."""
    known = supported(members, "grant_types", GRANT_TYPES, default=GRANT_TYPES[:1])
    return known if "authorization_code" in known else ("authorization_code", *known)


def response_types(members: Members) -> tuple[str, ...]:
    return supported(members, "response_types", RESPONSE_TYPES)


def supported(members: Members, name: str, known: tuple[str, ...], default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What is named of what is known; naming nothing of it is a refusal."""
    if name not in members:
        return default or known
    named = tuple(dict.fromkeys(value for value in strings(members, name) if value in known))
    if not named:
        raise InvalidClientMetadata(f"None of the {name} is supported.")
    return named


def application_type(members: Members) -> ApplicationType:
    """Accepted and echoed; forbids nothing, for clients in the field combine it with any redirect URI."""
    value = string(members, "application_type")
    if value in {"", "native", "web"}:
        return cast("ApplicationType", value)
    raise InvalidClientMetadata("The application_type must be native or web.")


def key_set(members: Members) -> dict[str, Any] | None:
    """The inline `jwks`, its shape only. A client has its keys in one place (RFC 7591 2)."""
    if "jwks" in members and "jwks_uri" in members:
        raise InvalidClientMetadata("Send jwks or jwks_uri, not both.")
    jwks = members.get("jwks")
    if jwks is not None and (not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list)):
        raise InvalidClientMetadata("The jwks is malformed.")
    return jwks


def scope(members: Members) -> tuple[str, ...]:
    """RFC 6749 3.3, each once."""
    value = string(members, "scope")
    if not _SCOPE.fullmatch(value):
        raise InvalidClientMetadata("The scope is malformed.")
    return tuple(dict.fromkeys(token for token in value.split(" ") if token))


def _shown(name: str) -> str:
    return f"the member {name[:80]!r}"
