"""An MCP server and its authorization server on one port, right in every way until a test bends it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PRM = "/.well-known/oauth-protected-resource"
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
PAGE = "https://app.example.com"
DROP = object()
"""As a member's value: leave it out."""


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: object = None
    """Bytes as they are, text as HTML, anything else as JSON."""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Fake:
    def __init__(self) -> None:
        self.url = ""
        self.routes: dict[str, Reply | Callable[[web.Request, bytes], Reply]] = {}
        self.prm: dict[str, Any] = {}
        self.server: dict[str, Any] = {}
        self.challenge = ""
        self.asked: list[Asked] = []

    @property
    def mcp(self) -> str:
        return f"{self.url}/mcp"

    def make_right(self) -> None:
        self.challenge = f'Bearer resource_metadata="{self.url}{PRM}/mcp", scope="notes.read"'
        self.prm |= {"resource": self.mcp, "authorization_servers": [self.url], "scopes_supported": ["notes.read"]}
        self.server |= {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "registration_endpoint": f"{self.url}/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["notes.read"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.routes |= {
            "POST /mcp": self._refuse,
            "GET /mcp": self._refuse,
            f"GET {PRM}/mcp": lambda _request, _body: Reply(body=_kept(self.prm)),
            f"GET {PRM}": lambda _request, _body: Reply(body=_kept(self.prm)),
            f"GET {OAUTH}": lambda _request, _body: Reply(body=_kept(self.server)),
            "POST /register": self._register,
            "DELETE /register/c-1": Reply(204),
            **{f"OPTIONS {path}": _preflight() for path in ("/mcp", "/token", "/register")},
        }

    def _refuse(self, _request: web.Request, _body: bytes) -> Reply:
        told = {"WWW-Authenticate": self.challenge} if self.challenge else {}
        return Reply(401, {"error": "invalid_token"}, {**told, "Access-Control-Expose-Headers": "WWW-Authenticate"})

    def _register(self, _request: web.Request, body: bytes) -> Reply:
        try:
            asked = json.loads(body)
        except ValueError:
            return Reply(400, {"error": "invalid_client_metadata"})
        management = {
            "registration_client_uri": f"{self.url}/register/c-1",
            "registration_access_token": "fake-management-token",
        }
        return Reply(201, {"client_id": "c-1", **asked, **management})

    async def serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(request.method, request.raw_path, headers, body))
        found = self.routes.get(f"{request.method} {request.path}", Reply(404, {"error": "not_found"}))
        reply = found if isinstance(found, Reply) else found(request, body)
        allowed = {"Access-Control-Allow-Origin": "*"} if "origin" in headers else {}
        headers = {**allowed, **reply.headers}
        if isinstance(reply.body, bytes):
            kind = reply.content_type or "application/octet-stream"
            return web.Response(status=reply.status, body=reply.body, content_type=kind, headers=headers)
        if reply.body is None:
            return web.Response(status=reply.status, headers=headers)
        if isinstance(reply.body, str):
            kind = reply.content_type or "text/html"
            return web.Response(status=reply.status, text=reply.body, content_type=kind, headers=headers)
        text = json.dumps(reply.body)
        kind = reply.content_type or "application/json"
        return web.Response(status=reply.status, text=text, content_type=kind, headers=headers)

    @classmethod
    @asynccontextmanager
    async def running(cls, tls: Any = None) -> AsyncIterator["Fake"]:
        fake = cls()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", fake.serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        fake.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
        fake.make_right()
        try:
            yield fake
        finally:
            await runner.cleanup()


def _preflight() -> Reply:
    headers = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, MCP-Protocol-Version",
    }
    return Reply(204, headers=headers)


def _kept(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not DROP}
