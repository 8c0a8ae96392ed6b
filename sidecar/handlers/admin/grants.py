"""/admin/grants: those of a client, of a user or of a pool, and the end of one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from sidecar.admin.errors import Unknown
from sidecar.admin.grants import GrantAdmin
from sidecar.admin.views import GrantRows
from sidecar.handlers.admin.asked import After, ClientIdOrNone, GrantId, Limit, PoolNameOrAll
from sidecar.handlers.admin.operations import Asked, Operation
from sidecar.oauth.errors import InvalidRequest
from sidecar.store.listing import OfClient, OfPool, OfUser, Whose


class ListGrants(Asked):
    """Either `client`, or `pool` alone or with `user`."""

    client: ClientIdOrNone = ""
    pool: PoolNameOrAll = ""
    user: Annotated[str, Field(max_length=255)] = ""
    """The provider's stable id; needs `pool`, since it says who it is there only."""
    limit: Limit = 100
    after: After = ""
    """Of the page before."""


class OneGrant(Asked):
    grant: GrantId


@dataclass(frozen=True, slots=True)
class GrantsResource:
    grants: GrantAdmin

    def operations(self) -> Iterable[Operation[Any]]:
        yield Operation(
            "GET",
            "/admin/grants",
            "listGrants",
            "Grants of a client, user or pool",
            ListGrants,
            GrantRows,
            self.listed,
            (Unknown,),
        )
        yield Operation(
            "DELETE", "/admin/grants/{grant}", "endGrant", "End one grant", OneGrant, None, self.end, (Unknown,)
        )

    async def listed(self, asked: ListGrants) -> GrantRows:
        return await self.grants.listed(self._whose(asked), after=asked.after, limit=asked.limit)

    async def end(self, asked: OneGrant) -> None:
        await self.grants.end(asked.grant)

    def _whose(self, asked: ListGrants) -> Whose:
        if bool(asked.client) == bool(asked.pool) or (asked.user and not asked.pool):
            raise InvalidRequest("Name a client, or a pool, or a pool and a user.", reason="no one thing was named")
        if asked.client:
            return OfClient(asked.client)
        pool = self.grants.pools.pool(asked.pool)
        return OfUser(pool.id, asked.user) if asked.user else OfPool(pool.id)
