"""The demo's live log: a line per step, and nothing that a client said can act on the terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sidecar import events
from sidecar.demo.narrator import Narrator, narrate, short
from tests.fakes.clock import FakeClock

ISSUER = "http://localhost:8080"
AT_IDP = {"upstream_issuer": "https://idp.example"}
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
            events.CredentialPassed(server="demo", credential="ghp_", source="127.0.0.1"),
            "passed on",
            "a call with demo's own credential, known by ghp_",
            id="passed on",
        ),
        pytest.param(
            events.ClientDeleted(issuer=ISSUER, client="dcr1-abcdefghijkl", client_name="Inspector", grants=2),
            "deleted",
            "“Inspector”, dcr1-abcdefgh…, and 2 grants with it",
            id="deleted",
        ),
        pytest.param(
            events.InitialAccessTokenCreated(
                pool="demo", initial_access_token="0" * 32, label="laptop", uses=3, expires_at=1
            ),
            "invited",
            "3 clients with initial access token “laptop” 00000000…",
            id="initial-access-token",
        ),
        pytest.param(
            events.InitialAccessTokenRevoked(pool="demo", initial_access_token="0" * 32, label="", unused=1),
            "revoked",
            "initial access token 00000000…",
            id="initial-access-token-revoked",
        ),
        pytest.param(
            events.UserOffboarded(pool="demo", user="alice", barred=True, source="admin"),
            "offboarded",
            "alice of demo: every grant ends, and may not sign in again",
            id="offboarded",
        ),
        pytest.param(
            events.PoolCreated(pool="lab", pool_id="lab-1", provider="oidc", source="admin"),
            "pool made",
            "lab (lab-1) at oidc",
            id="pool-created",
        ),
        pytest.param(
            events.PoolUpdated(pool="lab", pool_id="lab-1", changed=("client_secret", "scopes"), source="admin"),
            "pool changed",
            "lab: client_secret, scopes",
            id="pool-updated",
        ),
        pytest.param(
            events.PoolDeleted(pool="lab", pool_id="lab-1", source="admin"),
            "pool deleted",
            "lab: its clients and every grant end",
            id="pool-deleted",
        ),
        pytest.param(
            events.PoolNotServed(pool="lab", reason="unreadable"),
            "pool trouble",
            "lab is not served: unreadable",
            id="pool-not-served",
        ),
        pytest.param(
            events.UpstreamRegistered(pool="lab", upstream_client="c", outcome="renewed", **AT_IDP),
            "own client",
            "renewed at https://idp.example for lab",
            id="own-client-registered",
        ),
        pytest.param(
            events.UpstreamRegistrationFailed(
                pool="lab", outcome="refused", callbacks=("https://a/cb",), scopes=(), detail="no", **AT_IDP
            ),
            "no own client",
            "lab: no; callbacks https://a/cb",
            id="own-client-failed",
        ),
        pytest.param(
            events.UpstreamRegistrationLost(pool="lab", upstream_client="", outcome="orphaned", detail="no", **AT_IDP),
            "own client",
            "orphaned at https://idp.example: no",
            id="own-client-lost",
        ),
        pytest.param(
            events.UpstreamRegistrationDeleted(pool="lab", upstream_client="c", **AT_IDP),
            "own client",
            "deleted at https://idp.example for lab",
            id="own-client-deleted",
        ),
        pytest.param(
            events.UserReadmitted(pool="demo", user="alice", source="admin"),
            "let in again",
            "alice of demo",
            id="user-readmitted",
        ),
        pytest.param(
            events.ClientReadmitted(client="https://app.example/c", source="admin"),
            "let in again",
            "by an operator",
            id="client-readmitted",
        ),
        pytest.param(
            events.ClientUnreadable(issuer="https://mcp.example.com", client="dcr1-x"),
            "refused",
            "cannot be read",
            id="client-unreadable",
        ),
        pytest.param(events.OperatorRefused(detail="no token"), "no operator", "no token", id="no-operator"),
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
        pytest.param(
            events.FormerCredentials(pool="corp", upstream_client="up", operation="refresh", what="secret"),
            "IdP trouble",
            "refresh: it takes corp's former secret",
            id="former-secret",
        ),
        pytest.param(
            events.UpstreamCalled(provider="client", operation="client_document", outcome="ok", seconds=0.1),
            "client",
            "document was read",
            id="client-document",
        ),
        pytest.param(
            events.UpstreamCalled(
                provider="client", operation="client_keys", outcome="malformed", seconds=0.1, detail="status 404"
            ),
            "client trouble",
            "client_keys: malformed status 404",
            id="client-trouble",
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
        pytest.param(replace(CALL, outcome="passed"), id="passed"),
        pytest.param(
            events.FormerCredentials(pool="corp", upstream_client="up", operation="refresh", what="client"),
            id="former-client",
        ),
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


@pytest.mark.parametrize(
    ("identifier", "told"),
    [
        pytest.param("dcr1-AAFoN0-STx43zBIQZaOM3m8-rdKA", "dcr1-AAFoN0-S…", id="client"),
        pytest.param("2e9cfae0f1d2c3b4a5968778695a4b3c", "2e9cfae0…", id="grant"),
        pytest.param("short", "short", id="short"),
    ],
)
def test_ids_are_told_by_their_beginning(identifier: str, told: str) -> None:
    assert short(identifier) == told


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
