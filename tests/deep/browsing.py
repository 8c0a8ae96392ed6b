"""What the tests with a real browser share: our front channel on loopback, and the other sites that a browser meets.

127.0.0.1 and localhost are two sites to a browser; two ports of one of them are two origins of the same site.
"""

import hashlib
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.endpoints.front import NOTES, Front, query, running_front
from tests.fakes.chromium import Tab
from tests.upstream.certificates import private_tls

APPROVE, DENY = "button[value=approve]", "button[value=deny]"
TITLE = "document.querySelector('h1')?.innerText ?? ''"
TEXT = "document.body.innerText"


@asynccontextmanager
async def on_loopback(host: str = "127.0.0.1") -> AsyncIterator[tuple[Front, str]]:
    port = unused_port()
    iss = f"http://{host}:{port}"
    async with running_front(replace(NOTES, issuer=iss, resource=f"{iss}/mcp"), issuers=(iss,), port=port) as front:
        yield front, iss


async def request_of(front: Front, iss: str, redirect: str, **members: Any) -> str:
    """The URL that a new client sends its user's browser to."""
    client = await front.register(redirect, issuer=iss, **members)
    return f"{iss}/authorize?{query(client, redirect_uri=redirect, resource=f'{iss}/mcp')}"


async def asked(front: Front, iss: str, tab: Tab, redirect: str, **members: Any) -> None:
    await tab.open(await request_of(front, iss, redirect, **members))


async def reached(tab: Tab, title: str) -> None:
    """Waits for one of our pages, loaded, with this heading."""
    await tab.until(f"document.readyState === 'complete' && ({TITLE}).includes('{title}')")


@asynccontextmanager
async def site(page: str = "thanks", *, onward: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A stranger's server that answers everything with `page`, but /onward with a redirect; its port."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/onward":
            return web.Response(status=302, headers={"Location": onward})
        return web.Response(text=page, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    try:
        yield server.port or 0
    finally:
        await server.close()


def https_for(directory: Path) -> tuple[ssl.SSLContext, str]:
    """A server's certificate made for this test, and the switch that makes Chromium accept this one and no other."""
    context, authority = private_tls(directory)
    certificate = x509.load_pem_x509_certificate((authority.parent / "chain.pem").read_bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = b64encode(hashlib.sha256(key).digest()).decode()
    return context, f"--ignore-certificate-errors-spki-list={digest}"


def hosts(ports: Mapping[str, int]) -> str:
    """The switch by which public names lead to ports of this computer."""
    return "--host-resolver-rules=" + ",".join(f"MAP {name}:443 127.0.0.1:{port}" for name, port in ports.items())
