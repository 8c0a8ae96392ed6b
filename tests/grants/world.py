"""Everything the token life cycle needs, on a real store protocol and a scripted identity provider."""

from dataclasses import dataclass, field, replace

from sidecar.directory import Directory, Issuer, Server
from sidecar.events import AccessTokenRevoked, Event, GrantEnded
from sidecar.grants.answer import TokenAnswer
from sidecar.grants.authorisation import Authorisation
from sidecar.grants.creation import GrantCreation
from sidecar.grants.minting import Minting
from sidecar.grants.principal import Principal
from sidecar.grants.principals import Principals
from sidecar.grants.redemption import Redemption
from sidecar.grants.revocation import Revocation
from sidecar.grants.rotation import Rotation
from sidecar.grants.upstream_refresh import UpstreamRefresh
from sidecar.identity_assertions import IdentityAssertions
from sidecar.oauth.params import ClientCredentials, CodeRequest, RefreshRequest, RevocationRequest
from sidecar.oauth.pkce import s256
from sidecar.records import (
    AuthorizationRequest,
    Client,
    ClientKind,
    Grant,
    Identity,
    Lifetimes,
    Pool,
    UpstreamTokens,
)
from sidecar.sealing import Key, Keyring, KeyState
from sidecar.store.base import Grants
from sidecar.tokens import TokenCodec
from tests.fakes.clock import FakeClock
from tests.fakes.entropy import SeededEntropy
from tests.fakes.upstream import ScriptedUpstream

VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1:5000/cb"
ISSUER = Issuer(url="https://mcp.example.com", pool="corp")
SERVER = Server(
    name="notes",
    resource="https://mcp.example.com/mcp",
    origin="http://127.0.0.1:3000",
    issuer=ISSUER.url,
    pool="corp",
    base_scopes=("notes.read",),
    optional_scopes=("notes.write",),
)
POOL = Pool(name="corp", id="corp-1", provider="oidc", client_id="up", client_secret="s", scopes=("openid",))
DIRECTORY = Directory((SERVER,), (ISSUER,), {"corp": POOL})
ALICE = Identity(subject="alice", email="alice@example.com", email_verified=True)
UPSTREAM = UpstreamTokens(access_token="up-1", refresh_token="up-r-1", expires_at=1_800_000_000 + 7200)


@dataclass
class World:
    store: Grants
    clock: FakeClock = field(default_factory=FakeClock)
    upstream: ScriptedUpstream = field(default_factory=ScriptedUpstream)
    events: list[Event] = field(default_factory=list)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    directory: Directory = DIRECTORY
    seed: int = 1

    def __post_init__(self) -> None:
        self.entropy = SeededEntropy(self.seed)
        keyring = Keyring((Key(1, KeyState.ACTIVE, SeededEntropy(99)(32)),))
        self.codec = TokenCodec(keyring, self.entropy)
        minting = Minting(self.codec, self.clock, self.lifetimes)
        self.principals = Principals(lambda: float(self.clock.now))

        def record(event: Event) -> None:
            if isinstance(event, GrantEnded | AccessTokenRevoked):
                self.principals.forget(event.grant)
            self.events.append(event)

        self.upstream_refresh = UpstreamRefresh(
            self.store, self.upstream, self.directory, self.entropy, lambda: float(self.clock.now), record
        )
        self.creation = GrantCreation(self.store, self.codec, self.entropy, self.clock, self.lifetimes)
        self.redemption = Redemption(self.store, minting, record)
        self.rotation = Rotation(self.store, minting, self.upstream_refresh, record)
        self.revocation = Revocation(self.store, self.codec, self.upstream, record)
        self.authorisation = Authorisation(
            self.store,
            self.codec,
            self.upstream_refresh,
            self.principals,
            self.clock,
            lambda: float(self.clock.now),
            IdentityAssertions(keyring, self.entropy),
        )

    def client(self, name: str = "client-a", *, refresh: bool = True) -> Client:
        return Client(
            id=name,
            kind=ClientKind.DCR,
            issuer=ISSUER.url,
            pool_id=POOL.id,
            redirect_uris=(REDIRECT,),
            auth_methods=("none",),
            application_type="native",
            refresh=refresh,
            issued_at=self.clock.now,
            name="Claude Code",
        )

    async def sign_in(
        self,
        client: Client | None = None,
        tokens: UpstreamTokens = UPSTREAM,
        server: Server = SERVER,
        challenge: str = s256(VERIFIER),
    ) -> tuple[Grant, str]:
        client = client or self.client()
        request = AuthorizationRequest(
            issuer=ISSUER.url,
            client_id=client.id,
            client_name=client.name,
            redirect_uri=REDIRECT,
            redirect_uri_sent=True,
            server=server.name,
            resource=server.resource,
            scopes=server.scopes,
            state="s",
            code_challenge=challenge,
            reference="ref0000001",
        )
        return await self.creation.create(
            request=request, client=client, pool=POOL, server=server, identity=ALICE, tokens=tokens
        )

    async def redeem(
        self,
        code: str,
        client: Client | None = None,
        *,
        verifier: str = VERIFIER,
        redirect_uri: str | None = REDIRECT,
        resource: str | None = None,
    ) -> TokenAnswer:
        client = client or self.client()
        credentials = ClientCredentials(client.id, "none", "")
        request = CodeRequest(credentials, code, verifier, redirect_uri, resource)
        return await self.redemption.redeem(request, client, ISSUER)

    async def refresh(
        self, token: str, client: Client | None = None, *, scopes: tuple[str, ...] | None = None
    ) -> TokenAnswer:
        client = client or self.client()
        request = RefreshRequest(ClientCredentials(client.id, "none", ""), token, scopes, None)
        return await self.rotation.refresh(request, client, POOL, ISSUER)

    async def revoke(self, token: str, client: Client | None = None) -> None:
        client = client or self.client()
        request = RevocationRequest(ClientCredentials(client.id, "none", ""), token, "")
        await self.revocation.revoke(request, client, POOL, ISSUER)

    async def call(self, token: str, server: Server = SERVER) -> Principal:
        principal, _ = await self.authorisation.authorise(server, POOL, token)
        return principal

    async def tokens(self, client: Client | None = None, upstream: UpstreamTokens = UPSTREAM) -> TokenAnswer:
        _, code = await self.sign_in(client, upstream)
        return await self.redeem(code, client)

    def replica(self) -> "World":
        """Another process on the same store, clock and identity provider."""
        return replace(self, events=[], seed=self.seed + 1)
