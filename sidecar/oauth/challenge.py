"""The `WWW-Authenticate: Bearer` challenge (RFC 6750 3, RFC 9728 5.1). Owns the text, not the decision to send it."""

import re
from collections.abc import Sequence
from urllib.parse import quote

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 3.3
# Clients read challenges with unanchored regular expressions, so nothing that could end a quoted string or look like
# another parameter may stand inside a text.
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\=]')
_URL_SAFE = ":/?#[]@!$&'()*+,;=~%"


def bearer_challenge(
    *,
    resource_metadata: str,
    scope: Sequence[str] = (),
    error: str | None = None,
    description: str = "",
) -> str:
    """The header's value: `Bearer`, where the metadata is, what to ask for, and what was wrong.

    `error` stays None when the request had no token (RFC 6750 3.1). `scope` is what the request needs, complete, so
    that the same request gets the same set again. `offline_access` is no scope of a resource and is left out.
    """
    members = [("resource_metadata", quote(resource_metadata, safe=_URL_SAFE))]
    wanted = [name for name in scope if name != "offline_access" and _SCOPE_TOKEN.fullmatch(name)]
    if error:
        members.append(("error", _UNSAFE.sub(" ", error)))
        if description:
            members.append(("error_description", _UNSAFE.sub(" ", description)))
    if wanted:
        members.append(("scope", " ".join(wanted)))
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in members)
