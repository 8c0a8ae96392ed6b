"""The operators' part of the composition root: the use cases behind the admin API, and its resources in one list."""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.admin.clients import ClientAdmin
from sidecar.admin.grants import GrantAdmin
from sidecar.admin.keys import KeyOverview
from sidecar.admin.pool_admin import PoolAdmin
from sidecar.admin.pool_look import PoolLook
from sidecar.admin.pool_removal import PoolRemoval
from sidecar.admin.pools import PoolNames
from sidecar.admin.users import UserAdmin
from sidecar.clients import Clients
from sidecar.clock import Clock
from sidecar.directory import Directory
from sidecar.events import Recorder
from sidecar.grants.sweeps import Sweeper
from sidecar.handlers.admin.clients import ClientsResource
from sidecar.handlers.admin.grants import GrantsResource
from sidecar.handlers.admin.keys import KeysResource
from sidecar.handlers.admin.operations import Resource
from sidecar.handlers.admin.pools import PoolsResource
from sidecar.handlers.admin.users import UsersResource
from sidecar.pools import LivePools
from sidecar.pools.book import PoolBook
from sidecar.pools.registration import PoolRegistration
from sidecar.settings.model import Settings
from sidecar.store.base import Store


@dataclass(frozen=True, slots=True)
class Operators:
    """What operators can do, and what goes on with it in the background."""

    clients: ClientAdmin
    grants: GrantAdmin
    users: UserAdmin
    keys: KeyOverview
    sweeper: Sweeper
    pools: PoolNames
    pool_admin: PoolAdmin
    pool_removal: PoolRemoval


def build_operators(
    *,
    settings: Settings,
    store: Store,
    clients: Clients,
    directory: Directory,
    live: LivePools,
    registration: PoolRegistration,
    sweeper: Sweeper,
    clock: Clock,
    recorder: Recorder,
) -> Operators:
    pools = PoolNames(directory)
    grants = GrantAdmin(store, store, pools, recorder)
    book = PoolBook(store, live.selection.vault)
    look = PoolLook(live, directory, store, registration.status)
    return Operators(
        clients=ClientAdmin(clients, store, store, store, grants, sweeper, pools, recorder),
        grants=grants,
        users=UserAdmin(grants, store, sweeper, pools, recorder),
        keys=KeyOverview(clients.registered.ids, store, pools),
        sweeper=sweeper,
        pools=pools,
        pool_admin=PoolAdmin(
            book,
            live,
            directory,
            store,
            look,
            registration,
            frozenset({settings.admin_token, settings.listeners.check_secret}),
            settings.lifetimes.grant,
            clock,
            recorder,
        ),
        pool_removal=PoolRemoval(book, live, store, grants, sweeper, look, recorder, registration.end),
    )


def resources(operators: Operators) -> Iterable[Resource]:
    """Another resource is one line here."""
    yield ClientsResource(operators.clients)
    yield GrantsResource(operators.grants)
    yield UsersResource(operators.users)
    yield KeysResource(operators.keys)
    yield PoolsResource(operators.pool_admin, operators.pool_removal)
