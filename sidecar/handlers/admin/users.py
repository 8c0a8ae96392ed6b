"""/admin/users: who has grants in a pool, and the end of everything that one of them has there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sidecar.admin.errors import Unknown
from sidecar.admin.users import UserAdmin
from sidecar.admin.views import Offboarded, Readmitted, UserRows, UserView
from sidecar.handlers.admin.asked import After, Find, Flag, Limit, PoolName, Subject
from sidecar.handlers.admin.operations import Asked, Operation

_ALL, _ONE = "/admin/users/{pool}", "/admin/users/{pool}/{user}"


class ListUsers(Asked):
    pool: PoolName
    find: Find = ""
    """A part of id, email address or name, in upper or lower case."""
    limit: Limit = 1000
    """How many grants to look at for one page."""
    after: After = ""
    """Of the page before."""


class OneUser(Asked):
    pool: PoolName
    user: Subject
    """The provider's stable id of the user, percent-encoded."""


class OffboardUser(OneUser):
    bar: Flag = False
    """Refuse signing in again, until the user is readmitted."""
    dry_run: Flag = False
    """Say what would end, and end nothing."""


@dataclass(frozen=True, slots=True)
class UsersResource:
    users: UserAdmin

    def operations(self) -> Iterable[Operation[Any]]:
        unknown = (Unknown,)
        yield Operation("GET", _ALL, "listUsers", "Users with grants", ListUsers, UserRows, self.listed, unknown)
        yield Operation("GET", _ONE, "showUser", "One user", OneUser, UserView, self.show, unknown)
        yield Operation(
            "DELETE",
            _ONE,
            "offboardUser",
            "End all of a user's grants",
            OffboardUser,
            Offboarded,
            self.offboard,
            unknown,
        )
        yield Operation(
            "POST", f"{_ONE}/readmit", "readmitUser", "Lift a user's denial", OneUser, Readmitted, self.readmit, unknown
        )

    async def listed(self, asked: ListUsers) -> UserRows:
        return await self.users.listed(asked.pool, find=asked.find, after=asked.after, limit=asked.limit)

    async def show(self, asked: OneUser) -> UserView:
        return await self.users.show(asked.pool, asked.user)

    async def offboard(self, asked: OffboardUser) -> Offboarded:
        return await self.users.offboard(asked.pool, asked.user, bar=asked.bar, dry_run=asked.dry_run)

    async def readmit(self, asked: OneUser) -> Readmitted:
        return await self.users.readmit(asked.pool, asked.user)
