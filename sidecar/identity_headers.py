"""Plain headers that tell an MCP server who calls, for `inject.mode: identity`. Owns their form, not who gets them.

Values are UTF-8, percent-encoded (RFC 3986 2.1) wherever they are not printable ASCII, so that nothing can start a new
line and every value has one reading; `%` is encoded too, and in lists the comma. A value that would be longer than
`LONGEST` is left out whole: half a list of groups would look like all of them.
"""

import string
from collections.abc import Mapping
from urllib.parse import quote

from sidecar.records import Grant, Identity

LONGEST = 4096
_SAFE = string.punctuation.replace("%", "")
_SAFE_IN_LIST = _SAFE.replace(",", "")


def identity_headers(grant: Grant, scopes: tuple[str, ...]) -> Mapping[str, str]:
    """Those that have a value. `scopes` are the access token's: they may be fewer than the grant's."""
    who = grant.identity
    found = {
        "x-dcr-user": _encoded(who.subject),
        # An address that the provider does not vouch for proves nothing, and a plain header cannot say so.
        "x-dcr-email": _encoded(who.email if who.email_verified else ""),
        "x-dcr-name": _encoded(who.name),
        "x-dcr-groups": _encoded_list(carried_groups(who)),
        "x-dcr-client": _encoded(grant.client_id),
        "x-dcr-client-name": _encoded(grant.client_name),
        "x-dcr-scopes": " ".join(_encoded(scope) for scope in scopes),
    }
    return {name: value for name, value in found.items() if value and len(value) <= LONGEST}


def carried_groups(who: Identity) -> tuple[str, ...]:
    """All of the user's groups, or none where they do not fit into a header."""
    return who.groups if len(_encoded_list(who.groups)) <= LONGEST else ()


def _encoded_list(values: tuple[str, ...]) -> str:
    return ",".join(_encoded(value, _SAFE_IN_LIST) for value in values)


def _encoded(value: str, safe: str = _SAFE) -> str:
    """A blank stays one inside, where HTTP keeps it (RFC 9110 5.5)."""
    return quote(value, safe=safe if value != value.strip() else safe + " ", errors="replace")
