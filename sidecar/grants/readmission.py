"""Whether a user may keep a grant when the IdP has renewed its tokens. Owns the judgement, not what follows from it.

The server's `allow` rule may have changed since the sign-in, and so may the user: both count at every renewal.
"""

from dataclasses import replace

from sidecar.admission import admits, still_admits
from sidecar.directory import Directory
from sidecar.events import EndReason
from sidecar.records import Grant, Identity
from sidecar.upstream.base import Refreshed


def reason_to_end(directory: Directory, grant: Grant, refreshed: Refreshed) -> EndReason | None:
    """Why the new tokens must not be used; None when they may. A server that is gone admits nobody."""
    fresh, kept = refreshed.identity, grant.identity
    if fresh is not None and not _same_user(kept, fresh):
        return "other_user"
    server = directory.server(grant.server)
    if server is None:
        return "not_allowed"
    if fresh is None or refreshed.claims is None:
        return None if still_admits(server.allow, kept) else "not_allowed"
    if "email" not in refreshed.claims:
        # Providers may leave an address out of a renewed id_token. Silence takes nothing back that was verified.
        fresh = replace(fresh, email=kept.email, email_verified=kept.email_verified)
    return None if admits(server.allow, fresh, refreshed.claims) else "not_allowed"


def _same_user(kept: Identity, fresh: Identity) -> bool:
    """OpenID Connect Core 12.2. A grant from before its provider named an issuer has none to compare."""
    return kept.subject == fresh.subject and kept.issuer in ("", fresh.issuer)
