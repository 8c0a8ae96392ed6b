"""The measured side, in a process of its own: the real check on a real store, and a floor to compare with."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from sidecar import headers
from sidecar.app import Adapters, Services, Sources, build, check_app
from sidecar.app.serving import HTTP
from sidecar.clock import system_clock, system_entropy
from sidecar.directory import Directory, Inject, Issuer, Server
from sidecar.grants.answer import TokenAnswer
from sidecar.grants.creation import GrantCreation
from sidecar.grants.principal import Principal
from sidecar.grants.principals import Key, Principals
from sidecar.oauth.params import ClientCredentials, CodeRequest
from sidecar.oauth.pkce import s256
from sidecar.oauth.registration import RegistrationPolicy
from sidecar.records import AuthorizationRequest, Identity, Lifetimes, Pool, UpstreamTokens
from sidecar.sealing import Key as RingKey
from sidecar.sealing import Keyring, KeyState
from sidecar.settings.model import Bind, EnvoySettings, Listeners, LogSettings, Settings, StoreSettings
from sidecar.store.redis import open_store
from sidecar.telemetry import Telemetry
from sidecar.tokens import TokenCodec
from sidecar.upstream.client import open_upstream
from tests.fakes.client_documents import FakeClientDocuments

HOST = "mcp.example.com"
VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1/cb"
POOL = Pool("corp", "corp-1", "oidc", "up", "secret", ("openid",), issuer="http://127.0.0.1:9")
NOTES = Server("notes", f"https://{HOST}/mcp", "http://127.0.0.1:9", f"https://{HOST}", "corp", ("notes.read",))


class Forgetful(Principals):
    """Remembers nothing, so that every request reads the store."""

    def get(self, key: Key) -> Principal | None:
        return None


def settings(store: str) -> Settings:
    nowhere = Bind("127.0.0.1", 0)
    return Settings(
        listeners=Listeners(nowhere, nowhere, nowhere, nowhere),
        keyring=Keyring((RingKey(1, KeyState.ACTIVE, system_entropy(32)),)),
        directory=Directory((NOTES,), (Issuer(NOTES.issuer, "corp"),), {"corp": POOL}),
        store=StoreSettings(store),
        registration=RegistrationPolicy(),
        dcr="open",
        lifetimes=Lifetimes(),
        log=LogSettings(),
        envoy=EnvoySettings(listen=nowhere, admin=nowhere),
    )


async def sign_in(services: Services) -> TokenAnswer:
    issuer = services.settings.directory.issuers[0]
    body = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
    registered = await services.registered.register(issuer, body, "")
    client = await services.clients.resolve(issuer, POOL, registered["client_id"], "")
    assert client is not None
    codec = TokenCodec(services.settings.keyring, system_entropy)
    creation = GrantCreation(services.adapters.store, codec, system_entropy, system_clock, Lifetimes())
    request = AuthorizationRequest(
        issuer=issuer.url,
        client_id=client.id,
        client_name="bench",
        redirect_uri=REDIRECT,
        redirect_uri_sent=True,
        server=NOTES.name,
        resource=NOTES.resource,
        scopes=NOTES.scopes,
        state=None,
        code_challenge=s256(VERIFIER),
        reference="bench",
    )
    tokens = UpstreamTokens("upstream" * 100, "refresh", system_clock() + 86400)
    _, code = await creation.create(
        request=request, client=client, pool=POOL, server=NOTES, identity=Identity("alice"), tokens=tokens
    )
    asked = CodeRequest(ClientCredentials(client.id, "none", ""), code, VERIFIER, None, None)
    return await services.redemption.redeem(asked, client, issuer)


def asserting(services: Services, principals: Principals) -> Services:
    """The same server with `inject.mode: identity`."""
    server = replace(NOTES, inject=Inject("identity", headers.ASSERTION, ""))
    served = replace(services.settings.directory, servers=(server,))
    return replace(
        services,
        settings=replace(services.settings, directory=served),
        authorisation=replace(services.authorisation, principals=principals),
    )


async def main(folder: Path) -> None:
    telemetry = Telemetry(CollectorRegistry())
    async with (
        open_store(
            f"embedded:{folder / 'store'}", timeout_ms=2000, on_call=telemetry.metrics.far_ends.store_called
        ) as store,
        open_upstream(clock=system_clock, monotonic=Sources().monotonic, recorder=telemetry) as far,
    ):
        adapters = Adapters(store, far.upstream, far.documents, FakeClientDocuments(), far.registrar, telemetry)
        services = build(settings(""), adapters, Sources())
        reading = replace(services.authorisation, principals=Forgetful(services.sources.monotonic))
        answer = await sign_in(services)
        floor = web.Application()
        floor.router.add_route("*", "/{tail:.*}", lambda _: asyncio.sleep(0, web.Response()))
        apps = {
            "floor": floor,
            "check": check_app(services),
            "reading": check_app(replace(services, authorisation=reading)),
            "asserting": check_app(asserting(services, Principals(services.sources.monotonic))),
            "signing": check_app(asserting(services, Forgetful(services.sources.monotonic))),
        }
        for name, app in apps.items():
            runner = web.AppRunner(app, **HTTP)
            await runner.setup()
            await web.UnixSite(runner, str(folder / name)).start()
        sys.stdout.write(orjson.dumps({"token": answer.access_token}).decode() + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
