"""An identity provider without Dynamic Client Registration: a real aiohttp server on loopback, hostile on demand.

    async with FakeIdp.running() as idp:
        pool = idp.pool()                         # a Pool that signs in here
        idp.user = {"sub": "bob", ...}            # who is signed in from now on
        idp.fail("token", Fault(status=503))      # what an endpoint does from now on; idp.heal() ends it
        idp.seen("token")[-1].form["code"]        # what it was sent

GET /authorize signs `idp.user` in without a page: 302 back with code, state and iss. Endpoint names are `discovery`,
`authorize`, `token`, `jwks`, `userinfo`, `revoke`, `introspect`; with a manner (see `manners`) `refresh` and `account`;
with registrations (see `registrations`) `register` and `client`.
"""

import asyncio
import base64
import hashlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal, Self
from urllib.parse import unquote, urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from sidecar.records import Pool

ABSENT: Any = object()
"""As a value: this member is left out."""

RefreshStyle = Literal["rotating", "repeated", "omitted", "none"]


@dataclass(frozen=True)
class Fault:
    """What an endpoint does instead of its work: `status`, `body`, `redirect`, `drop`; or before it: `hold`.

    With `applied` the work is done first and its answer replaced: the IdP changed, the caller does not know.
    """

    status: int = 0
    """0: the ordinary answer (useful with `hold`)."""
    body: bytes | str | dict[str, Any] | list[Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    redirect: str = ""
    hold: asyncio.Event | None = None
    """Nothing is answered until this is set."""
    drop: bool = False
    """The connection is cut without an answer."""
    applied: bool = False


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    endpoint: str
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    raw_query: str
    raw_path: str


@dataclass
class Session:
    """A sign-in: who, for which scopes, and which refresh token is the current one."""

    user: dict[str, Any]
    scope: str
    nonce: str
    redirect_uri: str
    challenge: str
    client: str = ""
    """Whose tokens they are."""
    access_tokens: list[str] = field(default_factory=list)
    refresh_token: str = ""
    dead: bool = False


class Refusal(Exception):
    """An OAuth error answer of the token endpoint."""

    def __init__(self, error: str, status: int = 400) -> None:
        self.error = error
        self.status = status


@dataclass
class FakeIdp:
    """Its switches are plain attributes: set them at any time, they act from the next request on."""

    issuer: str = ""
    client_id: str = "upstream-client"
    client_secret: str = "upstream-secret a+b%2Fc:d e&"
    accepts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """More clients and their secrets, or more secrets of `client_id`."""
    user: dict[str, Any] = field(
        default_factory=lambda: {
            "sub": "alice",
            "name": "Alice Example",
            "email": "alice@example.com",
            "email_verified": True,
            "groups": ["staff"],
        }
    )
    clock: Callable[[], int] = lambda: int(time.time())
    requests: list[Seen] = field(default_factory=list)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with every request; clear it and wait for the next."""
    faults: dict[str, Fault] = field(default_factory=dict)

    deny: str = ""
    """An error code: /authorize answers with it."""
    send_iss: Any = None
    """None: the issuer; ABSENT: no `iss`; else that value."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Members of the discovery documents to replace, or to leave out with ABSENT."""
    oidc: bool = True
    """Serves OpenID discovery and id_tokens; otherwise RFC 8414 and no id_token."""
    manner: Any = None
    """A `manners.Manner`: whose ways to follow."""
    registrations: Any = None
    """A `registrations.Registrations`: clients register themselves. None: there is no such thing here."""
    auth_methods: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    refresh_style: RefreshStyle = "rotating"
    expires_in: Any = 3600
    token_members: dict[str, Any] = field(default_factory=dict)
    """Members of the token answer to replace, or to leave out with ABSENT."""
    id_claims: dict[str, Any] = field(default_factory=dict)
    id_header: dict[str, Any] = field(default_factory=dict)
    id_key: Any = None
    """Signs with this key instead of the published one."""

    sessions: list[Session] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    _codes: dict[str, Session] = field(default_factory=dict)
    _refresh: dict[str, Session] = field(default_factory=dict)
    _keys: list[RSAKey] = field(default_factory=list)
    _serial: int = 0
    _runner: web.AppRunner | None = None
    _port: int = 0
    _tls: ssl.SSLContext | None = None

    # Life ----------------------------------------------------------------------------------------------------------

    @classmethod
    @asynccontextmanager
    async def running(cls, *, tls: ssl.SSLContext | None = None, **switches: Any) -> AsyncIterator[Self]:
        idp = cls(_tls=tls, **switches)
        idp.rotate_keys()
        await idp.start()
        try:
            yield idp
        finally:
            await idp.stop()

    async def start(self) -> None:
        """Listens; on the same port as before after a `stop`."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self._port = self._runner.addresses[0][1]
        self.issuer = self.issuer or f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Down: connections are refused. State stays."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """Where it really listens, whatever the issuer says."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def pool(self, **overrides: Any) -> Pool:
        """A pool that signs in here."""
        values: dict[str, Any] = {
            "name": "corp",
            "id": "corp-1",
            "provider": "oidc" if self.oidc else "oauth2",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scopes": ("openid", "email", "offline_access") if self.oidc else ("read",),
            "issuer": self.issuer,
        }
        return Pool(**(values | overrides))

    # Switches ------------------------------------------------------------------------------------------------------

    def fail(self, endpoint: str, fault: Fault) -> None:
        self.faults[endpoint] = fault

    def heal(self) -> None:
        self.faults.clear()

    def seen(self, endpoint: str) -> list[Seen]:
        return [request for request in self.requests if request.endpoint == endpoint]

    def knows(self, refresh_token: str) -> None:
        """A session that began without us: its refresh token is good."""
        session = Session(dict(self.user), "openid", "", "", "", self.client_id, refresh_token=refresh_token)
        self.sessions.append(session)
        self._refresh[refresh_token] = session

    def end_sessions(self) -> None:
        """The administrator disables the user: every refresh from now on is `invalid_grant`."""
        for session in self.sessions:
            session.dead = True

    def rotate_keys(self, *, keep: bool = False) -> None:
        """A new signing key; with `keep` the old ones stay published."""
        self._serial += 1
        key = rsa_key(f"key-{self._serial}")
        self._keys = [key, *self._keys] if keep else [key]

    # Requests ------------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name, work = self._route(request.path)
        body = await request.read()
        form = dict(await request.post()) if request.content_type == "application/x-www-form-urlencoded" else {}
        if request.content_type == "application/json":
            form = json.loads(body)
        seen = Seen(
            endpoint=name,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            form={key: str(value) for key, value in form.items()},
            headers=request.headers.copy(),
            body=body,
            raw_query=request.rel_url.raw_query_string,
            raw_path=request.raw_path,
        )
        self.requests.append(seen)
        self.received.set()
        fault = self.faults.get(name, Fault())
        if fault.hold is not None:
            await fault.hold.wait()
        replaced = bool(fault.status or fault.redirect or fault.drop)
        answer = await work(seen) if fault.applied or not replaced else web.Response()
        return _faulty(request, fault) if replaced else answer

    def _route(self, path: str) -> tuple[str, Callable[[Seen], Awaitable[web.Response]]]:
        if "/.well-known/openid-configuration" in path:
            return "discovery", self._discovery if self.oidc else _not_found
        if "/.well-known/oauth-authorization-server" in path:
            return "discovery", _not_found if self.oidc else self._discovery
        if self.registrations and (name := self.registrations.path(path)):
            work = self.registrations.register if name == "register" else self.registrations.manage
            return name, partial(work, self)
        name = self.manner.endpoint(path) if self.manner else path.rsplit("/", 1)[-1]
        known: dict[str, Callable[[Seen], Awaitable[web.Response]]] = {
            "authorize": self._authorize,
            "token": self._token,
            "refresh": self._token,
            "jwks": self._jwks,
            "userinfo": self._userinfo,
            "introspect": self._introspect,
            "account": self._account,
            "revoke": self._revoke,
        }
        return (name, known[name]) if name in known else ("other", _not_found)

    def at(self, endpoint: str) -> str:
        return self.url + (self.manner.path(endpoint) if self.manner else f"/{endpoint}")

    async def _discovery(self, _seen: Seen) -> web.Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": self.at("authorize"),
            "token_endpoint": self.at("token"),
            "revocation_endpoint": self.at("revoke"),
            "userinfo_endpoint": self.at("userinfo"),
            "introspection_endpoint": self.at("introspect"),
            "jwks_uri": self.at("jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": list(self.auth_methods),
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "email", "profile", "offline_access"],
            "authorization_response_iss_parameter_supported": True,
        }
        if self.registrations:
            document["registration_endpoint"] = f"{self.url}/register"
        return web.json_response(_with(document, self.metadata))

    async def _authorize(self, seen: Seen) -> web.Response:
        query = seen.query
        if query.get("client_id") not in {self.client_id, *self.accepts} or not query.get("redirect_uri"):
            return web.Response(status=400, text="unknown client or no redirect_uri")
        answer = {"state": query.get("state", "")}
        if self.send_iss is not ABSENT:
            answer["iss"] = self.send_iss or self.issuer
        if self.deny:
            answer["error"] = self.deny
        else:
            session = Session(
                user=dict(self.user),
                scope=query.get("scope", ""),
                nonce=query.get("nonce", ""),
                redirect_uri=query["redirect_uri"],
                challenge=query.get("code_challenge", ""),
                client=query["client_id"],
            )
            answer["code"] = self._name("code")
            self._codes[answer["code"]] = session
        joint = "&" if "?" in query["redirect_uri"] else "?"
        return web.Response(status=302, headers={"Location": query["redirect_uri"] + joint + urlencode(answer)})

    async def _token(self, seen: Seen) -> web.Response:
        try:
            if self.manner:
                self.manner.check_token_request(seen)
            session = self._redeem(seen, self._authenticate(seen))
        except Refusal as refusal:
            if self.manner:
                return self.manner.refusal(refusal)
            body = {"error": refusal.error, "error_description": "secret detail"}
            return web.json_response(body, status=refusal.status)
        return self._issue(session, seen)

    def _authenticate(self, seen: Seen) -> str:
        """Which client it is."""
        authorization = seen.headers.get("Authorization", "")
        given = (seen.form.get("client_id", ""), seen.form.get("client_secret", ""))
        method = "client_secret_post" if given[1] else "none"
        if authorization.startswith("Basic "):
            user, _, password = base64.b64decode(authorization[6:]).decode().partition(":")
            given, method = (unquote(user), unquote(password)), "client_secret_basic"
        secrets = self.accepts.get(given[0], ()) + ((self.client_secret,) if given[0] == self.client_id else ())
        secrets = (("",) if secrets else ()) if method == "none" else secrets
        allowed = ("client_secret_basic",) if seen.method == "DELETE" else self.auth_methods
        forgotten = self.registrations and given[0] not in self.registrations.clients
        if given[1] not in secrets or method not in allowed or forgotten:
            raise Refusal("invalid_client", 401)
        return given[0]

    def _redeem(self, seen: Seen, client: str) -> Session:
        form = seen.form
        if form.get("grant_type") == "authorization_code" and seen.endpoint == "token":
            session = self._codes.pop(form.get("code", ""), None)
            if session is None or session.client != client or form.get("redirect_uri") != session.redirect_uri:
                raise Refusal("invalid_grant")
            if session.challenge and session.challenge != s256(form.get("code_verifier", "")):
                raise Refusal("invalid_grant")
            self.sessions.append(session)
            return session
        if form.get("grant_type") != "refresh_token":
            raise Refusal("unsupported_grant_type")
        given = form.get("refresh_token", "")
        session = self._refresh.get(given)
        if session is None or session.dead or session.client != client:
            raise Refusal("invalid_grant")
        if self.refresh_style == "rotating" and given != session.refresh_token:
            session.dead = True  # an old one again: the family dies, as Okta, Auth0 and GitLab have it
            raise Refusal("invalid_grant")
        return session

    def _issue(self, session: Session, seen: Seen) -> web.Response:
        first = seen.form["grant_type"] == "authorization_code"
        session.access_tokens.append(self._name("at"))
        answer: dict[str, Any] = {
            "access_token": session.access_tokens[-1],
            "token_type": "bearer",
            "scope": session.scope,
        }
        if self.expires_in is not ABSENT:
            answer["expires_in"] = self.expires_in
        if self.refresh_style != "none":
            if first or self.refresh_style == "rotating":
                session.refresh_token = self._name("rt")
                self._refresh[session.refresh_token] = session
            if first or self.refresh_style != "omitted":
                answer["refresh_token"] = session.refresh_token
        if self.oidc and "openid" in session.scope.split():
            answer["id_token"] = self.id_token(session)
        answer = _with(answer, self.token_members)
        return self.manner.tokens(answer, first=first) if self.manner else web.json_response(answer)

    def id_token(self, session: Session) -> str:
        """The id_token of a session, with the switches' claims and header in it."""
        now = self.clock()
        claims = {
            "iss": self.issuer,
            "aud": session.client or self.client_id,
            "iat": now,
            "exp": now + 600,
            **session.user,
        }
        claims |= {"nonce": session.nonce} if session.nonce else {}
        key = self.id_key or self._keys[0]
        header = _with({"alg": "RS256", "typ": "JWT", "kid": key.kid}, self.id_header)
        if header.get("alg") == "none":
            parts = (json.dumps(part).encode() for part in (header, _with(claims, self.id_claims)))
            return ".".join([base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]) + "."
        return sign(header, _with(claims, self.id_claims), key)

    async def _jwks(self, _seen: Seen) -> web.Response:
        return web.json_response(KeySet(list(self._keys)).as_dict(private=False))

    async def _userinfo(self, seen: Seen) -> web.Response:
        session = self._bearer(seen)
        return web.json_response(session.user) if session else web.json_response({"error": "invalid_token"}, status=401)

    async def _account(self, seen: Seen) -> web.Response:
        if self._bearer(seen) is None:
            return web.json_response({"message": "Bad credentials"}, status=401)
        return self.manner.account(seen)

    async def _introspect(self, seen: Seen) -> web.Response:
        try:
            self._authenticate(seen)
        except Refusal as refusal:
            return web.json_response({"error": refusal.error}, status=refusal.status)
        session = self._session_of(seen.form.get("token", ""))
        return web.json_response({"active": True, **session.user} if session else {"active": False})

    async def _revoke(self, seen: Seen) -> web.Response:
        try:
            self._authenticate(seen)
        except Refusal as refusal:
            return web.json_response({"error": refusal.error}, status=refusal.status)
        token = seen.form.get("token", "") or seen.form.get("access_token", "")
        self.revoked.append(token)
        for session in self.sessions:
            if token == session.refresh_token or token in session.access_tokens:
                session.dead = True
        return web.Response()

    def _bearer(self, seen: Seen) -> Session | None:
        return self._session_of(seen.headers.get("Authorization", "").partition(" ")[2])

    def _session_of(self, token: str) -> Session | None:
        return next((each for each in self.sessions if token in each.access_tokens and not each.dead), None)

    def _name(self, kind: str) -> str:
        self._serial += 1
        return f"idp-{kind}-{self._serial}"


@lru_cache
def rsa_key(kid: str) -> RSAKey:
    """Making one takes a while, so a run of tests shares them."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, auto_kid=False)


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: Any) -> str:
    """A JWT with whatever algorithm and header the test wants."""
    algorithms = [header["alg"]]
    return jwt.encode(
        dict(header), dict(claims), key, algorithms=algorithms, registry=_LaxRegistry(algorithms=algorithms)
    )


class _LaxRegistry(jwt.JWSRegistry):
    """Lets a test put any header on a token."""

    def check_header(self, header: Any) -> None:
        """Nothing is refused."""


def _with(members: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | dict(changes)).items() if value is not ABSENT}


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def _not_found(_seen: Seen) -> web.Response:
    return web.json_response({"error": "not_found"}, status=404)


def _faulty(request: web.Request, fault: Fault) -> web.Response:
    if fault.drop and request.transport is not None:
        request.transport.abort()
        return web.Response()
    if fault.redirect:
        return web.Response(status=fault.status or 307, headers={"Location": fault.redirect, **fault.headers})
    body = fault.body if isinstance(fault.body, bytes | str) else json.dumps(fault.body)
    raw = body.encode() if isinstance(body, str) else body
    return web.Response(status=fault.status, body=raw, headers={"Content-Type": fault.content_type, **fault.headers})
