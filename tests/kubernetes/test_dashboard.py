"""The dashboard and the alerts on a real Prometheus, which scraped the whole demo while people and programs used it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.browser import Browser
from tests.flows.person import Person
from tests.flows.running import Running, eventually, running
from tests.kubernetes.board import dashboard
from tests.kubernetes.prometheus import JOB, LABELS, Prometheus, prometheus
from tests.kubernetes.test_rules import RULES

_ALL = {"namespace": LABELS["namespace"], "job": JOB, "pool": ".*", "server": ".*"}
_ONE = {**_ALL, "pool": "demo", "server": "demo"}
_SPANS = {"__rate_interval": "5m", "__range": "5m"}
"""All of the test: what happened once still counts at its end."""
_VALUES = re.compile(r"label_values\((.*), (\w+)\)")
_SECONDS = 30


class Unwilling(Person):
    """Says no on our page."""

    async def _sign_in(self, url: str) -> None:
        async with Browser(self.redirect) as browser:
            self.pages.append(await browser.press(await browser.open(url), r"deny|cancel|refuse"))


@dataclass(frozen=True)
class Asked:
    where: str
    expression: str

    def filled(self, variables: dict[str, str]) -> str:
        return re.sub(r"\$(\w+)", lambda found: {**variables, **_SPANS}[found[1]], self.expression)


def queries() -> Iterator[Asked]:
    """Every query of the dashboard, those behind its variables too."""
    board: dict[str, Any] = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(f"{panel['title']} {target['refId']}", target["expr"])
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = _VALUES.fullmatch(variable["definition"])
            assert found, variable
            yield Asked(f"variable {variable['name']}", f"count by ({found[2]}) ({found[1]})")


async def traffic(demo: Running) -> None:
    """What works, and one of each thing that does not."""
    alice = Person("alice")
    await alice.whoami(demo.url)
    alice.storage.tokens = await alice.refresh(demo.origin)
    for _ in range(3):
        await demo.call(alice.storage.tokens.access_token)
    await demo.call()
    await demo.call("not-a-token")
    await alice.revoke(demo.origin)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the SDK's own, in a group
        await Unwilling("bob").whoami(demo.url)
    await demo.request("POST", f"{demo.origin}/register", json={"redirect_uris": ["javascript:x"]})
    await demo.request("GET", f"{demo.origin}/authorize?client_id=unknown&response_type=code")
    await demo.request("POST", f"{demo.origin}/authorize", data={"form": "x"})
    await demo.request("GET", f"{demo.origin}/callback?code=x")
    await demo.request("POST", f"{demo.origin}/token", data={"grant_type": "refresh_token", "client_id": "unknown"})


async def empty(server: Prometheus, variables: dict[str, str]) -> list[str]:
    asked = [(each, await server.values(each.filled(variables))) for each in queries()]
    return [f"{each.where}: {each.filled(variables)}" for each, values in asked if not values]


async def test_every_query_has_an_answer_and_an_outage_is_seen(tmp_path: Path) -> None:
    async with running(tmp_path / "demo") as demo:
        ops = demo.stack.ops.removeprefix("http://")
        async with prometheus(tmp_path / "prometheus", ops, RULES) as server:
            await eventually(lambda: _scraped(server, "dcr_sidecar_build_info"), _SECONDS)
            await traffic(demo)
            # A rate needs a sample from before: the last that the traffic made must have been seen once.
            await eventually(lambda: _scraped(server, 'dcr_sidecar_tokens_total{outcome!="issued"}'), _SECONDS)
            await traffic(demo)
            for variables in (_ALL, _ONE):
                try:
                    await eventually(lambda where=variables: _none(server, where), _SECONDS)
                except TimeoutError:
                    pytest.fail("without an answer:\n" + "\n".join(await empty(server, variables)))
            assert [rule["name"] for rule in await server.rules() if rule["health"] != "ok"] == []
            assert await pending(server) == set()
            await demo.stop_store()
            for _ in range(30):
                await demo.request("POST", f"{demo.origin}/register", json={"redirect_uris": ["http://127.0.0.1/cb"]})
            await eventually(lambda: _pending(server, "DcrSidecarStoreErrors"), _SECONDS)


async def _scraped(server: Prometheus, series: str) -> bool:
    return bool(await server.values(series))


async def _none(server: Prometheus, variables: dict[str, str]) -> bool:
    return not await empty(server, variables)


async def pending(server: Prometheus) -> set[str]:
    """Alerts whose condition holds."""
    return {alert["labels"]["alertname"] for rule in await server.rules() for alert in rule.get("alerts", ())}


async def _pending(server: Prometheus, alert: str) -> bool:
    return alert in await pending(server)
