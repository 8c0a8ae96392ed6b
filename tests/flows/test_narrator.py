"""The demo's live log: a line per step, and nothing that a client said can act on the terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sidecar import events
from sidecar.demo.narrator import Narrator, narrate
from tests.fakes.clock import FakeClock

ISSUER = "http://localhost:8080"
WHO = {"issuer": ISSUER, "client": "dcr1-abcdefghijkl", "client_name": "Inspector", "server": "demo"}
CALL = events.CallDecided(server="demo", outcome="allowed", seconds=0.1, client_name="Inspector", user="alice")
SIGNED_IN = events.SignedIn(**WHO, pool="demo", user="alice", email="alice@example.com", grant="0" * 32, scopes=())


@pytest.mark.parametrize(
    ("event", "step", "part"),
    [
        pytest.param(
            events.ClientRegistered(
                issuer=ISSUER,
                pool="demo",
                client="dcr1-abcdefghijkl",
                client_name="Inspector",
                redirect_hosts=("localhost",),
                auth_method="none",
            ),
            "registered",
            "“Inspector” as dcr1-abcdefgh…, returns to localhost",
            id="registered",
        ),
        pytest.param(
            events.ClientDeleted(issuer=ISSUER, client="dcr1-abcdefghijkl", client_name="Inspector", grants=2),
            "deleted",
            "“Inspector”, dcr1-abcdefgh…, and 2 grants with it",
            id="deleted",
        ),
        pytest.param(events.ConsentAsked(**WHO, pool="demo"), "asked consent", "may “Inspector” use demo?", id="asked"),
        pytest.param(
            events.ConsentGiven(**WHO, pool="demo", scopes=("a",)), "consented", "use demo (a)", id="consented"
        ),
        pytest.param(events.ConsentDenied(**WHO), "denied", "may not", id="denied"),
        pytest.param(SIGNED_IN, "signed in", "alice@example.com for “Inspector”", id="signed-in"),
        pytest.param(
            events.TokenIssued(**WHO, user="alice", grant="0" * 32, flow="refresh_token", scopes=()),
            "token issued",
            "refreshed, to “Inspector”, on behalf of alice",
            id="refreshed",
        ),
        pytest.param(replace(CALL, method="tools/call"), "call allowed", "tools/call by alice", id="allowed"),
        pytest.param(replace(CALL, client_name=""), "call allowed", "a client without a name", id="nameless"),
        pytest.param(replace(CALL, outcome="no_token"), "call refused", "answered 401", id="no-token"),
        pytest.param(replace(CALL, outcome="unavailable"), "call refused", "answered 503", id="unavailable"),
        pytest.param(
            events.GrantEnded(grant="0" * 32, reason="refresh_reused"), "grant ended", "refresh reused", id="end"
        ),
        pytest.param(
            events.UpstreamCalled(provider="oidc", operation="refresh", outcome="refused", seconds=0.1, detail="no"),
            "IdP trouble",
            "refresh: refused no",
            id="trouble",
        ),
    ],
)
def test_each_step_is_one_line(event: events.Event, step: str, part: str) -> None:
    line = narrate(event)
    assert line is not None
    assert line.step == step
    assert part in line.text


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(replace(CALL, outcome="preflight"), id="preflight"),
        pytest.param(
            events.UpstreamCalled(provider="oidc", operation="discovery", outcome="ok", seconds=0.1), id="discovery"
        ),
        pytest.param(
            events.RequestServed(listener="oauth", method="GET", route="metadata", status=200, seconds=0.1),
            id="document",
        ),
    ],
)
def test_plumbing_stays_silent(event: events.Event) -> None:
    assert narrate(event) is None


def test_every_event_is_told_or_left_out_on_purpose() -> None:
    """A new event must be looked at here: an operator's demo that hides a step explains nothing."""
    told = {kind.name for kind in _kinds(events.Event)}
    from sidecar.demo import narrator

    assert told == {kind.name for kind in narrator._TELLING}


def test_a_client_name_cannot_write_to_the_terminal() -> None:
    out = io.StringIO()
    narrator = Narrator(Console(file=out, force_terminal=True, width=40), FakeClock())
    narrator(replace(SIGNED_IN, client_name="[red]x[/red]\x1b[31m\u202eevil\nsecond"))
    text = out.getvalue()
    assert "[red]x[/red]" in text
    assert "\x1b[31m" not in text
    assert "\u202e" not in text
    assert text.count("\n") == 1


def _kinds(kind: type[events.Event]) -> set[type[events.Event]]:
    below = set(kind.__subclasses__())
    return below.union(*(_kinds(child) for child in below)) if below else set()
