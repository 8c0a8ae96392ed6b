"""The demo IdP: a small, real OpenID provider that offers no Dynamic Client Registration, as most company IdPs do not.

Owns its endpoints: discovery, authorize with PKCE and a sign-in page, token (authorization_code, and refresh_token with
rotation), jwks, userinfo, revocation. It knows exactly one relying party, registered by hand with one fixed redirect
URI. It stands for a system that is not ours, so it shares no protocol code with the sidecar. Demonstration only.
"""

import binascii
import hashlib
import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote_plus, urlencode

from aiohttp import web
from jinja2 import Environment, StrictUndefined, Template
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sidecar.demo.idp_state import PEOPLE, IdpState, Person, SignedIn

ALGORITHM = "ES256"
SCOPES = ("openid", "profile", "email", "offline_access")
_FIELDS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
_PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(slots=True)
class RelyingParty:
    """The one client that somebody entered by hand at this IdP, and may give another secret."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


class Refused(Exception):
    """An OAuth error of the token endpoint's kind (RFC 6749 5.2)."""

    def __init__(self, code: str, status: int = 400) -> None:
        self.code, self.status = code, status
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Idp:
    issuer: str
    party: RelyingParty
    audience: str
    """Whom its access tokens are for: the MCP server's API identifier at this IdP."""
    state: IdpState
    access_seconds: int = 3600

    def app(self) -> web.Application:
        app = web.Application(middlewares=[_json_errors])
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self.discovery),
                web.get("/jwks", self.jwks),
                web.get("/authorize", self.ask),
                web.post("/authorize", self.answer),
                web.post("/token", self.token),
                web.get("/userinfo", self.userinfo),
                web.post("/revoke", self.revoke),
            ]
        )
        return app

    async def discovery(self, _: web.Request) -> web.Response:
        auth_methods = ["client_secret_basic", "client_secret_post"]
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "revocation_endpoint": f"{self.issuer}/revoke",
                "jwks_uri": f"{self.issuer}/jwks",
                "scopes_supported": SCOPES,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": auth_methods,
                "revocation_endpoint_auth_methods_supported": auth_methods,
                "code_challenge_methods_supported": ["S256"],
                "claims_supported": ["sub", "name", "email", "email_verified", "groups"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def jwks(self, _: web.Request) -> web.Response:
        public = {**self.state.key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}
        return web.json_response({"keys": [public]})

    async def ask(self, request: web.Request) -> web.Response:
        """The sign-in page. It sets no cookie: every authorization asks again who is there."""
        fields = {name: request.query.get(name, "") for name in _FIELDS}
        if wrong := self._unsafe(fields):
            return _page(400, error=wrong)
        if error := _protocol_error(fields):
            return self._back(fields, error=error)
        return _page(200, fields=tuple(fields.items()), people=tuple(PEOPLE.values()))

    async def answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        fields = {name: form.get(name, "") for name in _FIELDS}
        if wrong := self._unsafe(fields):
            return _page(400, error=wrong)
        if error := _protocol_error(fields):
            return self._back(fields, error=error)
        person = PEOPLE.get(form.get("user", ""))
        if person is None:
            return self._back(fields, error="access_denied")
        scope = " ".join(name for name in fields["scope"].split() if name in SCOPES)
        signed_in = SignedIn(person.login, scope)
        code = self.state.new_code(signed_in, nonce=fields["nonce"], challenge=fields["code_challenge"])
        return self._back(fields, code=code)

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self._authenticate(request, form)
        match form.get("grant_type"):
            case "authorization_code":
                body = self._redeem(form)
            case "refresh_token":
                body = self._refresh(form)
            case _:
                raise Refused("unsupported_grant_type")
        return web.json_response(body, headers=_NO_STORE)

    async def userinfo(self, request: web.Request) -> web.Response:
        try:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            decoded = jwt.decode(token, self.state.key, algorithms=[ALGORITHM])
            jwt.JWTClaimsRegistry(now=self.state.clock).validate(decoded.claims)
        except (JoseError, ValueError):
            raise Refused("invalid_token", 401) from None
        person = PEOPLE.get(decoded.claims["sub"])
        if decoded.header.get("typ") != "at+jwt" or person is None:
            raise Refused("invalid_token", 401)
        return web.json_response(_profile(person), headers=_NO_STORE)

    async def revoke(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self._authenticate(request, form)
        self.state.drop(form.get("token", ""))
        return web.Response(status=200)

    def _unsafe(self, fields: Mapping[str, str]) -> str:
        """Why there is nowhere to send the browser back to (RFC 6749 4.1.2.1)."""
        if fields["client_id"] != self.party.client_id:
            return "This application is not registered here."
        if fields["redirect_uri"] != self.party.redirect_uri:
            return "This redirect URI is not registered for the application."
        return ""

    def _back(self, fields: Mapping[str, str], **answer: str) -> web.Response:
        answer["iss"] = self.issuer  # RFC 9207 2
        if fields["state"]:
            answer["state"] = fields["state"]
        location = f"{self.party.redirect_uri}?{urlencode(answer)}"
        return web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})

    def _authenticate(self, request: web.Request, form: Mapping[str, str]) -> None:
        header = request.headers.get("Authorization", "")
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if header.startswith("Basic "):
            try:
                decoded = b64decode(header[6:], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise Refused("invalid_client", 401) from None
            client_id, _, secret = (unquote_plus(part) for part in decoded.partition(":"))
        expected = f"{self.party.client_id}:{self.party.client_secret}"
        if not hmac.compare_digest(f"{client_id}:{secret}".encode(), expected.encode()):
            raise Refused("invalid_client", 401)

    def _redeem(self, form: Mapping[str, str]) -> dict[str, Any]:
        pending = self.state.take_code(form.get("code", ""))
        challenge = urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if pending is None or form.get("redirect_uri") != self.party.redirect_uri:
            raise Refused("invalid_grant")
        if pending.challenge != challenge.decode().rstrip("="):
            raise Refused("invalid_grant")
        offline = "offline_access" in pending.signed_in.scope.split()
        refresh = self.state.new_refresh(pending.signed_in) if offline else ""
        return self._tokens(pending.signed_in, refresh, nonce=pending.nonce)

    def _refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        rotated = self.state.rotate(form.get("refresh_token", ""))
        if rotated is None:
            raise Refused("invalid_grant")
        return self._tokens(*rotated)

    def _tokens(self, signed_in: SignedIn, refresh: str, *, nonce: str = "") -> dict[str, Any]:
        person = PEOPLE[signed_in.login]
        access = {"aud": self.audience, "client_id": self.party.client_id, "scope": signed_in.scope}
        body: dict[str, Any] = {
            "access_token": self._sign(person, "at+jwt", {**access, "jti": self.state.random(), "email": person.email}),
            "token_type": "Bearer",
            "expires_in": self.access_seconds,
            "scope": signed_in.scope,
        }
        if "openid" in signed_in.scope.split():
            identity = {"aud": self.party.client_id, **_profile(person)}
            body["id_token"] = self._sign(person, "JWT", {**identity, "nonce": nonce} if nonce else identity)
        if refresh:
            body["refresh_token"] = refresh
        return body

    def _sign(self, person: Person, kind: str, claims: Mapping[str, Any]) -> str:
        now = self.state.clock()
        times = {"iss": self.issuer, "sub": person.login, "iat": now, "exp": now + self.access_seconds}
        header = {"alg": ALGORITHM, "kid": self.state.key.kid, "typ": kind}
        return jwt.encode(header, {**times, **claims}, KeySet([self.state.key]), algorithms=[ALGORITHM])


def _protocol_error(fields: Mapping[str, str]) -> str:
    if fields["response_type"] != "code":
        return "unsupported_response_type"
    if fields["code_challenge_method"] != "S256" or not fields["code_challenge"]:
        return "invalid_request"
    return ""


def _profile(person: Person) -> dict[str, Any]:
    return {
        "sub": person.login,
        "name": person.name,
        "email": person.email,
        "email_verified": True,
        "groups": list(person.groups),
    }


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(files("sidecar.demo").joinpath("sign_in.html").read_text("utf-8"))


def _page(
    status: int, *, error: str = "", fields: tuple[Any, ...] = (), people: tuple[Person, ...] = ()
) -> web.Response:
    html = _template().render(error=error, fields=fields, people=people)
    return web.Response(status=status, text=html, content_type="text/html", headers=_PAGE_HEADERS)


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _json_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if refused.code == "invalid_token" else {}
        headers = {**_NO_STORE, **challenge}
        return web.json_response({"error": refused.code}, status=refused.status, headers=headers)
