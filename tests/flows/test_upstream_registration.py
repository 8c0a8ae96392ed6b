"""The sidecar as a client that registered itself at a provider, through the whole stack: made, lost, taken back."""

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar import events
from tests.doctor.test_cli_doctor import doctor
from tests.fakes.browser import Browser, Page
from tests.fakes.idp import FakeIdp
from tests.fakes.registrations import Registrations
from tests.flows.person import Person
from tests.flows.running import Running, eventually, running
from tests.flows.test_pools import ADMIN_TOKEN, command, discovery
from tests.flows.test_recovery import restarted

IDENTITY = {"inject": {"mode": "identity", "header": "Authorization", "prefix": "Bearer "}}
"""So that the MCP server need not know this provider."""


class Known(Person):
    """Somebody whom the provider knows already: it sends the browser on without a word."""

    async def at_idp(self, browser: Browser, page: Page) -> list[Page]:
        return []


def by_api(tree: dict[str, Any]) -> None:
    tree["pools"] = []
    tree["admin"] = {"token": ADMIN_TOKEN}


async def make(demo: Running, idp: FakeIdp, identifier: str) -> None:
    where = ("--provider", "oidc", "--issuer", idp.issuer, "--scopes", "openid email offline_access")
    await command(demo, "create", "demo", "--id", identifier, *where)


async def lost(demo: Running, clients: int, idp: FakeIdp) -> None:
    """The administrator deletes our client; the next sign-in finds that out."""
    idp.registrations.forget()
    with pytest.raises(BaseException, match=r"(?s).*"):
        await Known("alice").whoami(demo.url)

    async def registered_again() -> bool:
        return len(demo.happened(events.UpstreamRegistered)) == clients

    await eventually(registered_again)


async def test_a_pool_registers_itself_again_when_it_was_forgotten_and_takes_its_client_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        FakeIdp.running(registrations=Registrations()) as idp,
        running(tmp_path, server=IDENTITY) as demo,
        restarted(demo, by_api, registration_pause=0),
    ):
        assert (await discovery(demo), (await demo.call()).status) == (404, 503)
        await make(demo, idp, "lab-1")

        async def served() -> bool:
            return await discovery(demo) == 200

        await eventually(served)
        (client,) = idp.registrations.clients.values()
        assert client["redirect_uris"] == [f"{demo.origin}/callback"]
        capsys.readouterr()
        await command(demo, "show", "demo")
        shown = capsys.readouterr().out
        assert f"registered at {idp.issuer}" in shown
        assert client["client_id"] in shown
        assert client["client_secret"] not in shown
        alice = Known("alice")
        assert (await alice.whoami(demo.url))["user"] == "alice"
        assert idp.sessions[-1].client == "registered-1"

        await lost(demo, 2, idp)
        assert [each.outcome for each in demo.happened(events.UpstreamRegistrationLost)] == ["forgotten"]
        await eventually(served)
        assert (await Known("alice").whoami(demo.url))["user"] == "alice"
        assert (idp.sessions[-1].client, list(idp.registrations.clients)) == ("registered-2", ["registered-2"])

        await command(demo, "delete", "demo", "--yes")
        assert idp.registrations.clients == {}
        assert [each.upstream_client for each in demo.happened(events.UpstreamRegistrationDeleted)] == ["registered-2"]
        assert (await discovery(demo), (await demo.call()).status) == (404, 503)
        assert demo.happened(events.UnexpectedError) == []


async def test_a_provider_that_refuses_is_told_with_what_to_enter_there_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        FakeIdp.running(registrations=Registrations(refusal="invalid_client_metadata")) as idp,
        running(tmp_path, server=IDENTITY) as demo,
        restarted(demo, by_api),
    ):
        await make(demo, idp, "lab-1")

        async def told() -> bool:
            return bool(demo.happened(events.UpstreamRegistrationFailed))

        await eventually(told)
        capsys.readouterr()
        await command(demo, "show", "demo")
        shown = capsys.readouterr().out
        assert "waiting: the provider refused its registration: " in shown
        assert f"{demo.origin}/callback" in shown
        assert "openid email offline_access" in shown
        assert (await demo.call()).status == 503
        (decided,) = [event for event in demo.happened(events.CallDecided) if event.outcome == "no_pool"][-1:]
        assert "(refused): " in decided.detail


@pytest.mark.parametrize(
    ("refusal", "finding"),
    [pytest.param("", "idp-ok", id="registered"), pytest.param("x", "idp-not-registered", id="x")],
)
async def test_doctor_says_how_it_stands(tmp_path: Path, refusal: str, finding: str) -> None:
    async with FakeIdp.running(registrations=Registrations(refusal=refusal)) as idp, running(tmp_path) as demo:

        def itself(tree: dict[str, Any]) -> None:
            tree["admin"] = {"token": ADMIN_TOKEN}
            tree["pools"] = [{"name": "demo", "id": "lab-1", "provider": "oidc", "issuer": idp.issuer}]

        async def tried() -> bool:
            return bool(demo.happened(events.UpstreamRegistered) or demo.happened(events.UpstreamRegistrationFailed))

        async with restarted(demo, itself):
            await eventually(tried)
            code, out, _ = await doctor("-c", demo.stack.plan.folder.settings, "--json", "--only", "idp")
            words = "has not registered itself (refused)" if refusal else "registered itself as"
            (told,) = (each for each in json.loads(out)["findings"] if each["text"].startswith(words))
            assert (told["id"], code) == (finding, int(bool(refusal)))
