"""A pool's whole life by command, through real Envoy, while people use it: made, its secret changed, ended."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar import cli, events
from sidecar.app import open_services
from sidecar.grants.principals import STALENESS_SECONDS
from sidecar.settings import load
from sidecar.settings.model import StoreSettings
from tests.flows.person import Person
from tests.flows.running import Running, eventually, running
from tests.flows.test_recovery import SLACK, restarted, token

ADMIN_TOKEN = "fake-admin-token-0123456789-abcdefghij"
REFUSED = {401, 503}
"""What a bare call gets that does not reach the MCP server, which has words of its own for it."""
NEW_SECRET = "fake-secret-after-rotation-0123456789"


async def command(demo: Running, *arguments: str, status: int = 0) -> None:
    """As an operator types it on the sidecar's machine."""
    config = ("--config", str(demo.stack.plan.folder.settings))
    with pytest.raises(SystemExit) as left:
        await asyncio.to_thread(cli.main, ["pool", *arguments, *config])
    assert left.value.code == status, arguments


async def make(demo: Running, identifier: str) -> None:
    party, folder = demo.stack.idp.party, demo.stack.plan.folder
    folder.secret.write_text(party.client_secret)
    await command(
        demo,
        *("create", "demo", "--id", identifier, "--provider", "oidc", "--issuer", demo.stack.idp.issuer),
        *("--client-id", party.client_id, "--client-secret-file", str(folder.secret)),
        *("--scopes", "openid profile email offline_access"),
    )


async def discovery(demo: Running) -> int:
    return (await demo.request("GET", f"{demo.origin}/.well-known/oauth-authorization-server")).status


@pytest.mark.req(180)
async def test_a_pool_is_made_changed_and_ended_while_people_use_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_pools(tree: dict[str, Any]) -> None:
        tree["pools"] = []
        tree["admin"] = {"token": ADMIN_TOKEN}

    # So short that every check which is not remembered renews the upstream token, with the secret of that moment.
    async with running(tmp_path, upstream_seconds=20) as demo, restarted(demo, without_pools):
        assert (await discovery(demo), (await demo.call()).status) == (404, 503)
        await make(demo, "lab-1")
        assert f"{demo.origin}/callback" in capsys.readouterr().out
        assert (await discovery(demo), (await demo.call()).status) == (200, 401)
        alice = Person("alice")
        assert (await alice.whoami(demo.url))["user"] == "alice"

        secret = tmp_path / "new-secret"
        secret.write_text(NEW_SECRET)
        await command(demo, "update", "demo", "--client-secret-file", str(secret))
        demo.stack.idp.party.client_secret = NEW_SECRET
        # From here on only the new secret is taken, and the remembered answers are over.
        changed = time.monotonic()
        await eventually(lambda: _after(changed + STALENESS_SECONDS))
        assert (await alice.whoami(demo.url))["user"] == "alice"
        assert (alice.sign_ins, demo.happened(events.GrantEnded)) == (1, [])

        tokens, client = alice.storage.tokens, alice.storage.client
        assert tokens is not None
        assert client is not None
        folder = demo.stack.plan.folder
        shared = StoreSettings(f"unix://{folder.store / 'valkey.sock'}", timeout_ms=2000)
        async with open_services(replace(load(folder.settings, {}), store=shared)) as replica:
            assert "demo" in replica.pools
            capsys.readouterr()
            await command(demo, "delete", "demo", "--dry-run")
            assert "1 live grant of 1 user" in capsys.readouterr().err
            assert (await demo.call(tokens.access_token)).status not in REFUSED
            await command(demo, "delete", "demo", status=1)  # nobody there to say yes
            assert (await demo.call(tokens.access_token)).status not in REFUSED
            await command(demo, "delete", "demo", "--yes")
            ended = time.monotonic()
            assert (await demo.call(tokens.access_token)).status == 503

            async def gone_there() -> bool:
                return "demo" not in replica.pools

            await eventually(gone_there)
            assert time.monotonic() - ended < STALENESS_SECONDS + SLACK
        assert await discovery(demo) == 404
        document = client.model_dump(mode="json")
        refresh = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token or ""}
        assert await token(demo, document, **refresh) == (401, "invalid_client")
        assert [event.reason for event in demo.happened(events.GrantEnded)] == ["pool_deleted"]

        await make(demo, "lab-2")
        assert await token(demo, document, **refresh) == (401, "invalid_client")
        assert (await Person("alice").whoami(demo.url))["user"] == "alice"
        assert demo.happened(events.UnexpectedError) == []


async def _after(moment: float) -> bool:
    return time.monotonic() > moment
