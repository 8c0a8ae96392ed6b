"""The demo MCP server: the official SDK, an IdP's access tokens, and nothing about the sidecar.

It does what such servers do today: its RFC 9728 document names the IdP, which has no `registration_endpoint`, and every
request must carry an access token that the IdP signed for this server; told of another issuer, it takes that one's
assertions instead. Two tools: `whoami` tells what arrived, `count` streams progress.
"""

import asyncio
import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer
from starlette.applications import Starlette

from sidecar import headers
from sidecar.clock import Clock

_ALGORITHMS = ("ES256", "RS256")
_MAX_COUNT = 100


@dataclass(slots=True)
class SignedTokens:
    """The SDK's TokenVerifier over an issuer's published keys. Reads them once, and again for an unknown key."""

    issuer: str
    audience: str
    clock: Clock
    document: str = "openid-configuration"
    """Which of the issuer's documents names its keys."""
    typ: str = "at+jwt"
    personal: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Personal access tokens and their users, as many servers know besides."""
    _keys: KeySet | None = field(init=False, repr=False, default=None)

    async def verify_token(self, token: str) -> AccessToken | None:
        if token in self.personal:
            return AccessToken(token=token, client_id="personal", scopes=[], subject=self.personal[token])
        claims = await self._claims(token)
        if claims is None:
            return None
        return AccessToken(
            token=token,
            client_id=str(claims["client_id"]),
            scopes=str(claims.get("scope", "")).split(),
            expires_at=int(claims["exp"]),
            subject=str(claims["sub"]),
            claims=claims,
        )

    async def _claims(self, token: str) -> dict[str, Any] | None:
        required = jwt.JWTClaimsRegistry(
            now=self.clock,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            sub={"essential": True},
            exp={"essential": True},
            client_id={"essential": True},
        )
        try:
            keys = await self._current_keys(token)
            decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
            required.validate(decoded.claims)
        except (JoseError, ValueError, httpx2.HTTPError):
            return None
        return decoded.claims if decoded.header.get("typ") == self.typ else None

    async def _current_keys(self, token: str) -> KeySet:
        if self._keys is None or not any(key.kid == _key_id(token) for key in self._keys.keys):
            async with httpx2.AsyncClient(timeout=5) as client:
                document = (await client.get(_published(self.issuer, self.document))).json()
                self._keys = KeySet.import_key_set((await client.get(document["jwks_uri"])).json())
        return self._keys


def _published(issuer: str, document: str) -> str:
    """OpenID Connect Discovery 4 puts its document after the issuer's path, RFC 8414 3.1 before it."""
    if document == "openid-configuration":
        return f"{issuer}/.well-known/{document}"
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{document}{parts.path}"


def _key_id(token: str) -> object:
    head = token.partition(".")[0]
    decoded = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return decoded.get("kid") if isinstance(decoded, dict) else None


def demo_app(*, public_url: str, idp_issuer: str, verifier: TokenVerifier) -> Starlette:
    """The ASGI application. `public_url` is what its users type, as any server behind a reverse proxy is told."""
    server = MCPServer(
        "demo",
        instructions="A demonstration server. `whoami` tells who you are to it; `count` streams progress.",
        token_verifier=verifier,
        # Strings, so that the SDK keeps them byte for byte; the verifier checks the audience itself.
        auth=AuthSettings.model_validate(
            {"issuer_url": idp_issuer, "resource_server_url": public_url, "validate_token_resource": False}
        ),
        log_level="WARNING",
    )
    server.tool()(whoami)
    server.tool()(count)
    # `host` as such servers have it: the SDK then guards against DNS rebinding and knows loopback names only.
    return server.streamable_http_app(streamable_http_path=urlsplit(public_url).path, host="127.0.0.1")


async def whoami(ctx: Context) -> dict[str, Any]:
    """Who you are to this server: the user, who issued the credential that arrived, and which headers came with it."""
    token, sent = get_access_token(), {name.lower(): value for name, value in (ctx.headers or {}).items()}
    assert token is not None
    claims = token.claims or {}
    credential = sent.get("authorization", "").partition(" ")[2]
    return {
        "user": token.subject,
        "email": claims.get("email"),
        "token_issuer": claims.get("iss"),
        "token_sha256": hashlib.sha256(credential.encode()).hexdigest(),
        "identity": {name: sent[name] for name in headers.IDENTITY if name in sent and name != headers.ASSERTION},
        "headers": sorted(sent),
    }


async def count(ctx: Context, to: int = 5, seconds: float = 0.2) -> str:
    """Count slowly, and report each number while it happens."""
    to, seconds = max(1, min(to, _MAX_COUNT)), max(0.0, min(seconds, 5.0))
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"{number} of {to}")
        await asyncio.sleep(seconds)
    return f"counted to {to}"
