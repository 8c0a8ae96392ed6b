"""Stand-ins around a real Envoy: a check, an oauth listener and MCP origins that remember what reached them."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from sidecar.directory import Directory, Issuer, Server
from sidecar.envoy_config import Address, EnvoyPlan, bootstrap
from tests.fakes.envoy import Envoy, free_port, running_envoy

HOST = "mcp.example.com"
INSPECTOR = "https://inspector.example"
GOOD = {"authorization": "Bearer good"}

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """None when absent; more than one is never right here."""
        found = self.values(name)
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


@dataclass(slots=True)
class Backend:
    """A recording HTTP/1.1 server on a port of its own. `answer` may be replaced at any time."""

    answer: Answer
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def reached(self, number: int) -> None:
        """Wait until so many requests have arrived in full."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.seen) >= number)

    @contextlib.asynccontextmanager
    async def running(self, path: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator["Backend"]:
        runner = web.ServerRunner(web.Server(self._handle))
        await runner.setup()
        site = web.UnixSite(runner, path) if path else web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        if not path:
            self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in request.raw_headers]
        self.seen.append(Seen(request.method, request.raw_path, headers, await request.read()))
        async with self._arrived:
            self._arrived.notify_all()
        return await self.answer(request)


async def origin_answer(request: web.BaseRequest) -> web.StreamResponse:
    """An MCP server that says things it should not."""
    response = web.json_response({"from": "origin", "path": request.raw_path})
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Set-Cookie"] = "planted=1"
    return response


async def oauth_answer(request: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({"from": "oauth", "path": request.raw_path})


async def check_answer(request: web.BaseRequest) -> web.StreamResponse:
    """As the real check answers: `Bearer good` is allowed on /mcp, preflights are 204, all else is a challenge."""
    origin = request.headers.get("origin")
    cors = {"access-control-allow-origin": origin, "vary": "Origin"} if origin else {}
    if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
        return web.Response(status=204, headers={**cors, "access-control-allow-methods": "GET, POST, DELETE"})
    if request.headers.get("authorization") != "Bearer good":
        return web.json_response(
            {"error": "invalid_token"},
            status=401,
            headers={
                **cors,
                "www-authenticate": 'Bearer resource_metadata="https://mcp.example.com/.well-known/x"',
                "x-dcr-reference": "ref-denied",
                "x-dcr-log-reference": "ref-denied",
                "x-not-for-clients": "internal",
            },
        )
    return web.Response(headers={**allow_headers(), **cors})


def allow_headers() -> dict[str, str]:
    removed = ("email", "name", "groups", "client", "client-name", "scopes", "assertion")
    return {
        "authorization": "Bearer upstream-token",
        "x-dcr-user": "alice",
        "x-envoy-auth-headers-to-remove": ",".join(("cookie", *(f"x-dcr-{name}" for name in removed))),
        "x-dcr-log-client": "client-1",
        "x-dcr-log-user": "alice",
        "x-dcr-log-grant": "grant-1",
        "x-dcr-log-serial": "7",
        "x-dcr-log-server": "notes",
        "x-dcr-log-reference": "ref-1",
    }


@dataclass(frozen=True, slots=True)
class Edge:
    """Envoy with everything around it."""

    envoy: Envoy
    plan: EnvoyPlan
    check: Backend
    oauth: Backend
    origin: Backend
    session: aiohttp.ClientSession

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.plan.listen.port}"

    def request(
        self, method: str, path: str, *, host: str = HOST, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Any:
        """The path goes out byte for byte."""
        url = URL(self.base + path, encoded=True)
        return self.session.request(
            method, url, headers={"host": host, **(headers or {})}, allow_redirects=False, **more
        )

    async def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes, as far as its Content-Length says; empty when Envoy just closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.plan.listen.port)
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                head = await _head(reader)
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                return head + (await reader.readexactly(int(length[1])) if length else b"")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        return ended.partial


def directory(origin_port: int, **overrides: Any) -> Directory:
    """One checked server, one that is relayed beside it, one relayed on a host of its own."""
    origin = f"http://127.0.0.1:{origin_port}"
    issuer = f"https://{HOST}"
    notes = Server(
        "notes", f"{issuer}/mcp", origin, issuer, "corp", allowed_origins=frozenset({INSPECTOR}), **overrides
    )
    beside = Server("beside", f"{issuer}/open", origin, issuer, "", without_pool="relay")
    own = "https://open.example.com"
    alone = Server("alone", f"{own}/mcp", origin, own, "", without_pool="relay")
    return Directory(servers=(notes, beside, alone), issuers=(Issuer(issuer, "corp"),))


@contextlib.asynccontextmanager
async def running_edge(
    *, environ: Mapping[str, str] | None = None, check: Address | None = None, **plan: Any
) -> AsyncIterator[Edge]:
    """Envoy with our bootstrap before recording stand-ins. `plan` overrides EnvoyPlan's fields."""
    async with contextlib.AsyncExitStack() as stack:
        backends = [Backend(answer) for answer in (check_answer, oauth_answer, origin_answer)]
        checker, oauth, origin = [await stack.enter_async_context(backend.running()) for backend in backends]
        made = replace(
            EnvoyPlan(directory(origin.port)),
            oauth=Address("127.0.0.1", oauth.port),
            check=check or Address("127.0.0.1", checker.port),
            listen=Address("127.0.0.1", free_port()),
            **plan,
        )
        envoy = await stack.enter_async_context(running_envoy(bootstrap(made), environ=environ))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Edge(envoy, made, checker, oauth, origin, session)
