"""What the use cases need from a store: a few Protocols named by intent, and their outcomes as types.

There is no get-then-delete pair for anything single-use, so that race cannot be written. Reads return None for what is
not there; `StoreError` means the store broke, and every caller lets it rise to a 503. Times are Unix seconds. A verb
that takes `now` uses the store's own clock when it is None: only tests pass a time.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from sidecar.records import Grant
from sidecar.store.initial_access import InitialAccessTokens
from sidecar.store.limits import Limits
from sidecar.store.listing import Listings, Sweeps
from sidecar.store.pools import Pools
from sidecar.store.registry import Clients
from sidecar.store.upstream_registrations import UpstreamRegistrations

TURNS = 64
"""Operations under way at once. More wait, within their own timeout: callers do not pile up connections."""


class StoreError(Exception):
    """The store did not answer, or not as it should. Nothing is known about what was asked."""


# Grants ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Access:
    """A live access token's part of the grant."""

    expires_at: int
    wrap: bytes = field(repr=False)
    """The grant's data key, wrapped for this token."""
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """The current refresh token's part of the grant."""

    generation: int
    expires_at: int
    wrap: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedUpstream:
    """The upstream tokens under the grant's data key; what is in clear decides whether to open them at all."""

    sealed: bytes = field(repr=False)
    expires_at: int
    """0: the IdP states no end."""
    refreshable: bool
    serial: int
    """Counts upstream token sets of this grant, from 1. Part of the sealed blob's associated data: see grants."""
    refused: bool = False
    """The MCP server answered 401 to this access token."""


@dataclass(frozen=True, slots=True)
class GrantState:
    """A grant as read at one moment. `version` is what every later write must name."""

    grant: Grant
    version: int
    upstream: SealedUpstream
    code_wrap: bytes | None = field(repr=False, default=None)
    """None once the code is used."""
    accesses: Mapping[int, Access] = field(default_factory=dict)
    """By generation; may hold expired ones."""
    refresh: Refresh | None = None
    behind: int = 0
    """The user's cut-off that stood when it was made, so the next one ends it; 0: there was none."""


@dataclass(frozen=True, slots=True)
class AccessView:
    """What the hot path reads: one token's part of one grant, in one command."""

    grant: Grant
    version: int
    access: Access
    upstream: SealedUpstream


@dataclass(frozen=True, slots=True)
class NewGrant:
    """What /callback stores: the grant, its code, the sealed upstream tokens. It lives as long as the code."""

    grant: Grant
    code_wrap: bytes = field(repr=False)
    code_life: int
    upstream: SealedUpstream


@dataclass(frozen=True, slots=True)
class CodeProofs:
    """What the caller of /token proved; compared in the script before the code is consumed."""

    client_id: str
    redirect_uri: str | None
    resource: str | None
    """None: not sent, so the bound value holds (design 12.2)."""
    challenge: str
    """S256 of the verifier that the caller sent."""


@dataclass(frozen=True, slots=True)
class Issued:
    """The tokens that a redemption or rotation adds to the grant."""

    generation: int
    access: Access
    refresh: Refresh | None
    expired: tuple[int, ...] = ()
    """Generations of access tokens to forget."""


Redeemed = Literal["fresh", "double", "replayed", "mismatch", "burnt", "expired", "conflict", "gone"]
"""`fresh`: consumed and stored. `double`: a right but late caller within the double-submit second; nothing happened.
`replayed`: right proofs, later; the grant was ended. `mismatch`: wrong proofs; the code still stands. `burnt`: third
wrong verifier; the grant was ended. `expired`, `gone`: no such code any more. `conflict`: the version moved, so read
again."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """Outcome of presenting a refresh token.

    `fresh`: the new tokens are stored. `grace`: the token was rotated within the grace period; `answer` is what was
    sealed for it and `age` the seconds since. `reused`: an older token outside grace; the grant was ended. `lost`:
    newer than the store's, a lost write; the grant was ended. `conflict`: the version moved; read again. `gone`: none.
    """

    outcome: Literal["fresh", "grace", "reused", "lost", "conflict", "gone"]
    answer: bytes = field(repr=False, default=b"")
    age: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh a grant's upstream tokens.

    `granted`: call the IdP, then `save_upstream` or `release_upstream`. `busy`: another holder is at it; ask again
    soon. `cooling`: the last try failed a moment ago; worth asking again in `seconds`. `interrupted`: granted, but an
    earlier holder died after it may have called the IdP, so whether the stored refresh token still works is unknown.
    `stale`: the upstream tokens are not those of `serial` any more: read again. `gone`: no grant.
    """

    outcome: Literal["granted", "busy", "cooling", "interrupted", "stale", "gone"]
    seconds: float = 0.0


Refused = Literal["marked", "ended", "stale"]
"""`marked`: the next use renews the token first. `ended`: renewing cannot help, so the grant is over: nothing can
renew it, or it was renewed for the same reason a short while ago. `stale`: known already, or another's."""


class Grants(Protocol):
    """One grant is one hash; every verb that changes one is one script on that one key."""

    async def create(self, new: NewGrant) -> bool:
        """Index entries first, then the grant, then denials are read and the grant undone: False when denied."""

    async def read(self, grant_id: str) -> GrantState | None: ...

    async def peek(self, grant_id: str, generation: int) -> AccessView | None:
        """The hot path: exactly one command. None when the grant or that access token is not there."""

    async def redeem(
        self,
        state: GrantState,
        proofs: CodeProofs,
        issued: Issued | None,
        *,
        expires_at: int,
        double_submit: int,
        now: int | None = None,
    ) -> Redeemed:
        """Compare, then consume the code and store the tokens. `expires_at` becomes the grant's end.

        `issued` is None when the caller already saw that the code is used and wants the judgement only.
        """

    async def rotate(
        self,
        state: GrantState,
        presented: int,
        issued: Issued | None,
        answer: bytes,
        *,
        grace: int,
        now: int | None = None,
    ) -> Rotated:
        """Present refresh token generation `presented`; `answer` is what to keep, sealed for it.

        `issued` is None when the caller already knows that it is not the current one and wants the judgement only.
        """

    async def revoke(self, grant_id: str) -> bool:
        """End the grant, and with it every token and the upstream tokens. False: there was none."""

    async def revoke_access(self, grant_id: str, generation: int) -> bool:
        """End one access token."""

    async def lease_upstream(
        self, grant_id: str, serial: int, owner: str, seconds: float, *, now: float | None = None
    ) -> Lease:
        """Marks the attempt before it is made, so that a holder that dies is seen."""

    async def save_upstream(self, grant_id: str, owner: str, upstream: SealedUpstream) -> bool:
        """Store the refreshed tokens and give the lease back in one script. False: the lease was lost; not stored."""

    async def release_upstream(self, grant_id: str, owner: str, *, cool_down: float, now: float | None = None) -> None:
        """The call failed and certainly changed nothing upstream: nobody tries again for `cool_down` seconds."""

    async def refuse_upstream(self, grant_id: str, serial: int, *, now: float | None = None) -> Refused:
        """The MCP server did not accept the access token of this serial."""


# Transactions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """`taken`: consumed; `sealed` is the transaction. `stranger`: wrong binding; it waits for the right browser."""

    outcome: Literal["taken", "stranger", "gone"]
    sealed: bytes = field(repr=False, default=b"")


class Transactions(Protocol):
    """Approvals, the authorizations they start, and assertions. Keys are digests; values are sealed by the use case."""

    async def spend_form(self, nonce: str, seconds: int) -> bool:
        """Consume a consent form. False: it was used before."""

    async def spend_assertion(self, client_id: str, jti: str, seconds: int) -> bool:
        """Consume a client's assertion (RFC 7523 3). False: one of this `jti` was used before."""

    async def start(self, handle: str, binding: str, sealed: bytes, seconds: int) -> None:
        """`handle` is the upstream `state`, `binding` the value of the browser's transaction cookie."""

    async def take(self, handle: str, binding: str) -> Taken:
        """Compare the binding, then consume: one caller gets it, once."""


# News ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class News:
    """What was heard.

    `grant`: this grant, or one of its tokens, is not what it was. `pools`: a pool is not what it was. `up`: listening
    (again); what was said before was missed. `down`: not listening, and `why`, for the log.
    """

    kind: Literal["grant", "pools", "up", "down"]
    grant_id: str = ""
    why: str = field(default="", compare=False)


class Channel(Protocol):
    def news(self) -> AsyncIterator[News]:
        """What any replica ended, as it happens. Endless; a broken channel is opened again."""

    async def echo(self) -> None:
        """Say what only we listen to, so that it is known how long news takes."""


class Health(Protocol):
    async def ping(self) -> None:
        """Raises StoreError when the store does not answer within its timeout."""


class Store(
    Grants,
    Transactions,
    Clients,
    InitialAccessTokens,
    Limits,
    Listings,
    Sweeps,
    Pools,
    UpstreamRegistrations,
    Channel,
    Health,
    Protocol,
):
    """What the one adapter implements; use cases ask for the part they need."""
