"""What the three kinds of client share: how one is looked up, how policy sees it, what the registry keeps of it.

Owns no kind.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from sidecar.directory import Issuer
from sidecar.oauth.params import ClientCredentials
from sidecar.oauth.policy import RegistrationPolicy
from sidecar.records import Client, Pool
from sidecar.store.registry import Denial, Registration

REGISTRY_SECONDS = 180 * 86400
"""Without use. Longer than any grant lives, so that what a grant names is still there."""

UNUSED_SECONDS = 86400
"""Until the first use. Anybody may register, and clients do so when somebody is about to sign in."""

METHOD = "token_endpoint_auth_method"


@dataclass(frozen=True, slots=True)
class Known:
    """What an id and the registry say together. `client`: also one that may do nothing any more, and unjudged."""

    client: Client | None
    entry: Registration | None = None
    denial: Denial = ""


class Kind(Protocol):
    """One way in which a client comes to be."""

    async def known(self, issuer: Issuer, pool: Pool, client_id: str, source: str, /) -> Known:
        """What there is of this id at this issuer and pool. `source`: on whose account a document may be fetched."""

    def permitted(self, client: Client) -> Client | None:
        """The client as policy sees it now, with the redirect URIs and scopes that are left; None for none."""

    def secret_matches(self, credentials: ClientCredentials) -> bool:
        """In constant time, and at the same cost for an id that is not known."""


def permitted(client: Client, policy: RegistrationPolicy) -> Client | None:
    """Policy may have changed since: what is refused now is not the client's redirect URI any more."""
    allowed = tuple(uri for uri in client.redirect_uris if policy.allows(uri))
    return replace(client, redirect_uris=allowed, scopes=policy.scopes or None) if allowed else None


def described(client: Client) -> dict[str, object]:
    """The metadata (RFC 7591 2) that the client itself gives when the registry has nothing more."""
    members: dict[str, object] = {
        "redirect_uris": list(client.redirect_uris),
        METHOD: client.auth_methods[0],
        "grant_types": ["authorization_code", "refresh_token"] if client.refresh else ["authorization_code"],
        "response_types": ["code"],
        "application_type": client.application_type,
        "client_name": client.name,
        "client_uri": client.uri,
    }
    return {name: value for name, value in members.items() if value}
