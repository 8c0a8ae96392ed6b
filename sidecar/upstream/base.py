"""What the use cases need from an identity provider, and the ways in which one can fail.

Only `UpstreamRefused` says something about the user's grant. All else must never become `invalid_grant` for a client.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from sidecar.directory import Server
from sidecar.oauth.client_document import ClientDocument
from sidecar.records import Identity, Pool, UpstreamTokens


class UpstreamError(Exception):
    """Base. `outcome` labels the metric; the text is for the log only."""

    outcome: ClassVar[str] = "malformed"


class UpstreamRefused(UpstreamError):
    """A definitive `invalid_grant`: this code or refresh token is dead."""

    outcome = "refused"


class UpstreamMisconfigured(UpstreamError):
    """`invalid_client` and its kin: our registration at the IdP is wrong. Says nothing about any user."""

    outcome = "misconfigured"


class UpstreamClientRefused(UpstreamMisconfigured):
    """The IdP did not take our client id or secret (RFC 6749 5.2, `invalid_client`), and did nothing else."""


class UpstreamUnavailable(UpstreamError):
    """Not reached, 429 or 5xx: certainly nothing changed at the IdP. `retry_after` in seconds."""

    outcome = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UpstreamUnknown(UpstreamError):
    """Sent, but no complete answer came: the IdP may have rotated the refresh token."""

    outcome = "unknown"


class UpstreamMalformed(UpstreamError):
    """An answer that breaks the protocol, or an identity that does not verify."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The end of one sign-in at the IdP."""

    tokens: UpstreamTokens
    identity: Identity
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The verified claims that `identity` was read from; looked at once, for a server's `allow` rule, never stored."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """New tokens, and what the answer says of the user. Whether they are still the same, the caller checks."""

    tokens: UpstreamTokens
    identity: Identity | None = None
    """None: the answer held no id_token that is ours to judge."""
    claims: Mapping[str, object] | None = field(default=None, repr=False)
    """Verified and complete, as at a sign-in. None: there are none, or a part of them could not be fetched now."""


class Upstream(Protocol):
    """One identity provider call a method. Every method may raise UpstreamError and nothing else.

    `client_id` is the client at the IdP that a code or a token belongs to: the pool's present one when it is empty,
    else one of those that the pool had. UpstreamMisconfigured when the pool does not have it any more.
    """

    async def authorization_url(self, pool: Pool, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """Where to send the browser: only our own parameters, our redirect URI, our PKCE challenge (S256)."""

    async def sign_in(
        self,
        pool: Pool,
        *,
        code: str,
        redirect_uri: str,
        verifier: str,
        nonce: str,
        iss: str | None,
        client_id: str = "",
    ) -> SignIn:
        """Check `iss` (RFC 9207 2.4), exchange the code, verify who it is."""

    async def refresh(self, pool: Pool, refresh_token: str, *, client_id: str = "") -> Refreshed:
        """New tokens; carries the old refresh token when the answer has none.

        An id_token that does not verify spoils the whole answer: UpstreamMalformed.
        """

    async def revoke(self, pool: Pool, tokens: UpstreamTokens, *, client_id: str = "") -> None:
        """RFC 7009 at the IdP, where the preset allows it; otherwise nothing."""

    def revokes(self, pool: Pool) -> bool:
        """Whether the preset's flag says that /revoke reaches the IdP."""

    def retries_unknown(self, pool: Pool) -> bool:
        """Whether, after an unknown outcome, the same refresh token may be tried again.

        False only where the provider certainly burns it on use: elsewhere a wrong guess costs one refusal, and the
        grant ends then.
        """


class Documents(Protocol):
    """Metadata that others publish. None: they publish none, or it does not verify. Cached, bounded, single flight."""

    async def provider_metadata(self, pool: Pool) -> Mapping[str, object] | None:
        """The IdP's RFC 8414 or OpenID discovery document."""

    async def origin_resource_metadata(self, server: Server) -> Mapping[str, object] | None:
        """The MCP server's own RFC 9728 document, read at its origin."""

    async def origin_server_metadata(self, server: Server) -> Mapping[str, object] | None:
        """The MCP server's own RFC 8414 document, when it names itself as issuer."""


class ClientDocuments(Protocol):
    """Documents that clients publish about themselves, and their keys. Cached, bounded, single flight."""

    def cached(self, url: str) -> ClientDocument | None:
        """A fresh copy, without I/O."""

    async def document(self, url: str) -> ClientDocument:
        """A fresh copy, else one fetch. Raises UpstreamUnavailable when nobody can say now; else a definite no."""

    async def keys(self, document: ClientDocument, *, again: bool = False) -> Mapping[str, object]:
        """Its inline keys, or those at its `jwks_uri`. `again`: fetched anew, seldom, for a key that is not there."""

    def cached_keys(self, document: ClientDocument) -> Mapping[str, object] | None:
        """Its inline keys, or a fresh copy of those at its `jwks_uri`, without I/O."""
