"""The day after everything in the store was lost, and a new key, through real Envoy: nobody is stuck (design 8)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import yaml
from mcp.shared.auth import OAuthClientInformationFull
from redis.asyncio import Redis

from sidecar import events, keyfile
from sidecar.clock import system_clock, system_entropy
from sidecar.demo import stack
from sidecar.grants.principals import STALENESS_SECONDS
from sidecar.settings import load
from tests.flows.person import REDIRECT, Person
from tests.flows.running import Answer, Running, eventually, running

# A call through Envoy and back is part of what is measured, on a machine that does much else.
SLACK = 1.0
OTHER = "https://other.example/cb"
PUBLIC = {"token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]}
CONFIDENTIAL = {**PUBLIC, "token_endpoint_auth_method": "client_secret_basic"}


async def register(demo: Running, **members: Any) -> dict[str, Any]:
    body = {"redirect_uris": [REDIRECT], **PUBLIC, **members}
    answer = await demo.request("POST", f"{demo.origin}/register", json=body)
    assert answer.status == 201, answer.body
    document: dict[str, Any] = answer.json
    return document


async def registered_person(demo: Running, **members: Any) -> Person:
    """Whose client has registered before: from now on the official SDK never does so itself."""
    person = Person("alice")
    person.storage.client = OAuthClientInformationFull.model_validate(await register(demo, **members))
    return person


async def ask(demo: Running, document: dict[str, Any], redirect_uri: str = REDIRECT) -> Answer:
    """What a browser gets at /authorize."""
    query = {
        "response_type": "code",
        "client_id": document["client_id"],
        "redirect_uri": redirect_uri,
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
        "resource": demo.url,
    }
    return await demo.request("GET", f"{demo.origin}/authorize?{urlencode(query)}")


async def manage(demo: Running, method: str, document: dict[str, Any], **members: Any) -> int:
    sent = {"Authorization": f"Bearer {document['registration_access_token']}"}
    body = {"client_id": document["client_id"], **PUBLIC, **members} if members else None
    return (await demo.request(method, document["registration_client_uri"], headers=sent, json=body)).status


async def token(demo: Running, document: dict[str, Any], **form: str) -> tuple[int, str]:
    """The status and the error of /token."""
    secret = document.get("client_secret") or ""
    if secret:
        headers = {"Authorization": aiohttp.encode_basic_auth(document["client_id"], secret)}
    else:
        headers, form = {}, {"client_id": document["client_id"], **form}
    answer = await demo.request("POST", f"{demo.origin}/token", data=form, headers=headers)
    return answer.status, answer.json.get("error", "")


async def lose_everything(demo: Running) -> None:
    async with Redis(unix_socket_path=str(demo.stack.plan.folder.store / "valkey.sock")) as store:
        await store.flushall()


@asynccontextmanager
async def restarted(
    demo: Running, change: Callable[[dict[str, Any]], None] = lambda _: None, **settings: Any
) -> AsyncIterator[None]:
    """Another sidecar behind the same Envoy, on the same folder, with a changed configuration file.

    `settings`: what no file says.
    """
    folder = demo.stack.plan.folder
    await demo.stop_sidecar()
    tree = yaml.safe_load(folder.settings.read_text())
    change(tree)
    folder.write_settings(tree)
    loaded = replace(load(folder.settings, {}), **settings)
    async with stack._sidecar(loaded, folder, (demo.events.append,)):
        yield


def errors(demo: Running) -> list[Any]:
    return demo.happened(events.UnexpectedError)


@pytest.mark.req(65, 180)
@pytest.mark.parametrize("method", [pytest.param(PUBLIC, id="public"), pytest.param(CONFIDENTIAL, id="confidential")])
async def test_every_untouched_client_signs_in_again_without_registering(
    tmp_path: Path, method: dict[str, Any]
) -> None:
    async with running(tmp_path) as demo:
        alice = await registered_person(demo, **method)
        await alice.whoami(demo.url)
        tokens, client = alice.storage.tokens, alice.storage.client
        assert tokens is not None
        assert client is not None
        demo.events.clear()
        await lose_everything(demo)

        lost = time.monotonic()
        async with asyncio.timeout(10):
            while (await demo.call(tokens.access_token)).status != 401:
                pass
        assert time.monotonic() - lost < STALENESS_SECONDS + SLACK
        document = client.model_dump(mode="json")
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        assert await token(demo, document, **refresh) == (400, "invalid_grant")

        assert (await alice.whoami(demo.url))["user"] == "alice"
        assert (alice.sign_ins, demo.happened(events.ClientRegistered)) == (2, [])
        assert alice.storage.client == client
        assert (await alice.refresh(demo.origin) if client.client_secret else tokens).access_token
        assert errors(demo) == []


@pytest.mark.req(71, 73)
async def test_after_total_loss_changes_and_deletions_revert_until_they_are_cut_off(tmp_path: Path) -> None:
    """Stated in SECURITY.md. `clients_not_before` ends everybody who registered before, and nobody after."""
    async with running(tmp_path) as demo:
        untouched, changed, deleted = [await register(demo) for _ in range(3)]
        secret = await register(demo, **CONFIDENTIAL)
        assert await manage(demo, "PUT", changed, redirect_uris=[OTHER]) == 200
        assert await manage(demo, "DELETE", deleted) == 204
        assert [(await ask(demo, changed, uri)).status for uri in (REDIRECT, OTHER)] == [400, 200]
        assert (await ask(demo, deleted)).status == 400
        await lose_everything(demo)

        assert [(await ask(demo, changed, uri)).status for uri in (REDIRECT, OTHER)] == [200, 400]
        assert (await ask(demo, deleted)).status == 200

        cut_off = int(time.time()) + 1

        def set_cut_off(tree: dict[str, Any]) -> None:
            tree["pools"][0]["clients_not_before"] = datetime.fromtimestamp(cut_off, UTC).isoformat()

        async def passed() -> bool:
            return time.time() >= cut_off

        async with restarted(demo, set_cut_off):
            await eventually(passed)
            for document in (untouched, changed, deleted, secret):
                page = await ask(demo, document)
                assert (page.status, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
                assert "location" not in page.headers
                code = {"grant_type": "authorization_code", "code": "dcrc_junk", "code_verifier": "v" * 43}
                assert await token(demo, document, **code) == (401, "invalid_client")
                for verb, members in (("GET", {}), ("PUT", {"redirect_uris": [OTHER]}), ("DELETE", {})):
                    assert await manage(demo, verb, document, **members) == 401
            alice = Person("alice")
            assert (await alice.whoami(demo.url))["user"] == "alice"
            assert errors(demo) == []


@pytest.mark.req(193)
async def test_a_new_key_takes_over_without_anybody_noticing_and_the_old_one_ends_what_it_made(tmp_path: Path) -> None:
    async with running(tmp_path) as demo:
        keys, alice = demo.stack.plan.folder.keys, Person("alice")
        await alice.whoami(demo.url)
        assert alice.storage.client is not None
        before = alice.storage.client.model_dump(mode="json")
        keyfile.add(keys, entropy=system_entropy, clock=system_clock)
        async with restarted(demo):
            await alice.whoami(demo.url)
        keyfile.activate(keys, 2)
        async with restarted(demo):
            await alice.whoami(demo.url)
            tokens = await alice.refresh(demo.origin)
            assert (await demo.call(tokens.access_token)).status != 401
            assert (await ask(demo, before)).status == 200
            bob = Person("bob")
            await bob.whoami(demo.url)
        assert (alice.sign_ins, len(alice.storage.seen)) == (1, 1)
        keyfile.retire(keys, 1)
        async with restarted(demo):
            await bob.whoami(demo.url)
            assert bob.sign_ins == 1
            assert (await ask(demo, before)).status == 400
            first = alice.storage.seen[0]
            assert (await demo.call(first.access_token)).status == 401
            form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
            assert await token(demo, before, **form) == (401, "invalid_client")
            assert (await Person("alice").whoami(demo.url))["user"] == "alice", "a client that registers again"
        assert errors(demo) == []
