"""/admin/initial-access-tokens: operators make, see and end what lets clients register (RFC 7591 3)."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from sidecar.admin.errors import Unknown
from sidecar.admin.pools import PoolNames
from sidecar.admin.views import View
from sidecar.handlers.admin.asked import PoolName, PoolNameOrAll
from sidecar.handlers.admin.operations import Asked, Operation
from sidecar.initial_access import DEFAULT_SECONDS, MAX_SECONDS, MAX_USES, MIN_SECONDS, InitialAccess
from sidecar.oauth.texts import is_plain
from sidecar.records import Pool
from sidecar.store.initial_access import InitialAccessToken

_PATH = "/admin/initial-access-tokens"


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError("must be text without control, invisible and direction characters")
    return text


class NewToken(Asked):
    model_config = ConfigDict(strict=True)

    pool: PoolName
    label: Annotated[str, Field(max_length=100), AfterValidator(_plain)] = ""
    """For whom it is, in your own words; the audit trail repeats it."""
    uses: int = Field(default=1, ge=1, le=MAX_USES)
    """How many clients may register with it."""
    expires_in: int = Field(default=DEFAULT_SECONDS, ge=MIN_SECONDS, le=MAX_SECONDS)
    """Seconds."""


class CreateAsked(Asked):
    body: NewToken


class ListAsked(Asked):
    pool: PoolNameOrAll = ""
    """Empty for all."""


class RevokeAsked(Asked):
    id: Annotated[str, Field(max_length=64)]


class TokenView(View):
    id: str
    """Opens nothing by itself."""
    pool: str
    label: str
    uses: int
    left: int
    """How many clients may still register with it."""
    created_at: int
    expires_at: int


class CreatedToken(TokenView):
    token: str
    """What the client sends to /register. Shown here only: nobody can tell it again."""
    needed: bool
    """False: registration is not by token now (`registration.dcr`), so it makes no difference yet."""


class TokenRows(View):
    tokens: tuple[TokenView, ...]


@dataclass(frozen=True, slots=True)
class InitialAccessTokensResource:
    access: InitialAccess
    pools: PoolNames
    needed: bool
    """Whether who registers needs one."""

    def operations(self) -> Iterable[Operation[Any]]:
        yield Operation(
            "POST",
            _PATH,
            "createInitialAccessToken",
            "Let somebody register clients in one pool",
            CreateAsked,
            CreatedToken,
            self.create,
            (Unknown,),
            201,
        )
        summary = "Initial access tokens that are not over, used up ones too"
        yield Operation("GET", _PATH, "listInitialAccessTokens", summary, ListAsked, TokenRows, self.listed, (Unknown,))
        summary = "End one; who registered with it stays"
        path = f"{_PATH}/{{id}}"
        yield Operation("DELETE", path, "revokeInitialAccessToken", summary, RevokeAsked, None, self.revoke, (Unknown,))

    async def create(self, asked: CreateAsked) -> CreatedToken:
        wanted, pool = asked.body, self.pools.pool(asked.body.pool)
        text, token = await self.access.create(pool, label=wanted.label, uses=wanted.uses, seconds=wanted.expires_in)
        return CreatedToken(**_members(token, pool), token=text, needed=self.needed)

    async def listed(self, asked: ListAsked) -> TokenRows:
        pools = [self.pools.pool(name) for name in ([asked.pool] if asked.pool else self.pools.names())]
        rows = [TokenView(**_members(token, pool)) for pool in pools for token in await self.access.listed(pool)]
        return TokenRows(tokens=tuple(rows))

    async def revoke(self, asked: RevokeAsked) -> None:
        if not await self.access.revoke(asked.id, self.pools.name_of):
            raise Unknown("There is no initial access token of this id, or no longer.", reason="no such token")


def _members(token: InitialAccessToken, pool: Pool) -> dict[str, Any]:
    members = asdict(token)
    del members["pool_id"]
    return members | {"pool": pool.name}
