"""/admin/pools: made, shown, changed, ended. A secret goes in and never comes out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from sidecar.admin.errors import Conflict, Unknown
from sidecar.admin.pool_admin import OVERLAP_SECONDS, PoolAdmin, registering
from sidecar.admin.pool_removal import PoolRemoval
from sidecar.admin.pool_views import PoolEnd, PoolRows, PoolView
from sidecar.handlers.admin.asked import Flag, PoolName, number
from sidecar.handlers.admin.operations import Asked, Operation
from sidecar.pools.authorities import certificates
from sidecar.pools.fields import LARGEST_CA, Scopes, TokenAuth, UpstreamUrl
from sidecar.pools.urls import upstream_url
from sidecar.records import Pool

_ALL, _ONE = "/admin/pools", "/admin/pools/{pool}"
_LATEST = 0xFFFFFFFF
_VERSIONS = 2**53


def _url_or_none(value: str) -> str:
    return upstream_url(value) if value else ""


def _certificates(value: str) -> str:
    return certificates(value) if value else ""


Text = Annotated[str, Field(max_length=2048)]
UrlOrNone = Annotated[str, Field(max_length=2048), AfterValidator(_url_or_none)]
Authorities = Annotated[str, Field(max_length=LARGEST_CA), AfterValidator(_certificates)]
Params = Annotated[dict[str, Text], Field(max_length=50)]
Version = Annotated[int, Field(strict=True, ge=1, le=_VERSIONS)]


class RegistrationMembers(Asked):
    """How a pool without a client id gets one by itself."""

    model_config = ConfigDict(hide_input_in_errors=True)

    allowed_issuers: Annotated[tuple[UpstreamUrl, ...], Field(max_length=20)] | None = None
    """The authorization servers that it may register with; empty: its own issuer only."""
    initial_access_token: SecretStr | None = None
    """What the provider wants to see for it, where it does. Never shown again."""

    def members(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.allowed_issuers is not None:
            found["allowed_issuers"] = self.allowed_issuers
        if self.initial_access_token is not None:
            found["initial_access_token"] = self.initial_access_token.get_secret_value()
        return found


class PoolMembers(Asked):
    """What may be different later."""

    model_config = ConfigDict(hide_input_in_errors=True)

    client_id: Text | None = None
    """Without one the pool registers itself at its provider, where that takes registrations."""
    client_secret: SecretStr | None = None
    """Never shown again."""
    registration: RegistrationMembers | None = None
    scopes: Scopes | None = None
    authorization_endpoint: UrlOrNone | None = None
    token_endpoint: UrlOrNone | None = None
    revocation_endpoint: UrlOrNone | None = None
    userinfo_endpoint: UrlOrNone | None = None
    jwks_uri: UrlOrNone | None = None
    authorize_params: Params | None = None
    token_auth: TokenAuth | None = None
    ca: Authorities | None = None
    """PEM: the authorities that are trusted at the provider, instead of the public ones."""
    proxy: Annotated[SecretStr, Field(max_length=2048)] | None = None
    """An egress proxy: http://host:port, with its user and password if it wants them. Never shown again with these."""
    clients_not_before: Annotated[int, Field(strict=True, ge=0, le=_LATEST)] | None = None
    """Clients that registered themselves earlier (Unix seconds) are unknown."""

    def members(self) -> dict[str, Any]:
        """Those that were sent, as a pool has them."""
        found = {name: getattr(self, name) for name in PoolMembers.model_fields if getattr(self, name) is not None}
        found |= {name: value.get_secret_value() for name, value in found.items() if isinstance(value, SecretStr)}
        if self.authorize_params is not None:
            found["authorize_params"] = tuple(self.authorize_params.items())
        if self.registration is not None:
            found["registration"] = self.registration.members()
        return found


class NewPool(PoolMembers):
    name: PoolName
    """As the configuration's servers name it."""
    id: PoolName
    """Part of every client id. Never used twice, not even by another pool of the same name."""
    provider: Annotated[str, Field(max_length=64)]
    issuer: UpstreamUrl | None = None
    """The IdP's issuer, byte for byte."""

    def pool(self) -> Pool:
        members = {"client_id": "", "client_secret": "", "scopes": (), **self.members()}
        members["registration"] = registering(None, members.get("registration", {}))
        return Pool(name=self.name, id=self.id, provider=self.provider, issuer=self.issuer or "", **members)


class PoolChange(PoolMembers):
    """Name, id, provider and issuer stay: another of them is another pool."""

    version: Version | None = None
    """The change is refused when the pool has another one by now."""
    overlap: Annotated[int, Field(strict=True, ge=0, le=90 * 86400)] = OVERLAP_SECONDS
    """Seconds for which a former secret goes on beside the new one."""


class NothingAsked(Asked):
    pass


class CreatePool(Asked):
    body: NewPool


class OnePool(Asked):
    pool: PoolName


class UpdatePool(OnePool):
    body: PoolChange


class DeletePool(OnePool):
    dry_run: Flag = False
    """Say what would end, and end nothing."""
    version: Annotated[Version, number] | None = None
    """Of the dry run: confirms it."""


@dataclass(frozen=True, slots=True)
class PoolsResource:
    pools: PoolAdmin
    removal: PoolRemoval

    def operations(self) -> Iterable[Operation[Any]]:
        both = (Unknown, Conflict)
        yield Operation("GET", _ALL, "listPools", "All pools", NothingAsked, PoolRows, self.listed)
        yield Operation("POST", _ALL, "createPool", "Make a pool", CreatePool, PoolView, self.create, (Conflict,), 201)
        yield Operation("GET", _ONE, "showPool", "One pool", OnePool, PoolView, self.show, both)
        yield Operation("PATCH", _ONE, "updatePool", "Change a pool", UpdatePool, PoolView, self.update, both)
        summary = "End a pool: its clients, grants and upstream tokens"
        yield Operation("DELETE", _ONE, "deletePool", summary, DeletePool, PoolEnd, self.delete, both)

    async def listed(self, _asked: NothingAsked) -> PoolRows:
        return await self.pools.listed()

    async def create(self, asked: CreatePool) -> PoolView:
        return await self.pools.create(asked.body.pool())

    async def show(self, asked: OnePool) -> PoolView:
        return await self.pools.show(asked.pool)

    async def update(self, asked: UpdatePool) -> PoolView:
        body = asked.body
        return await self.pools.update(asked.pool, body.members(), version=body.version, overlap=body.overlap)

    async def delete(self, asked: DeletePool) -> PoolEnd:
        return await self.removal.delete(asked.pool, dry_run=asked.dry_run, version=asked.version)
