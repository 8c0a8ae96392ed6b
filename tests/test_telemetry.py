"""The log's lines and the metrics' series: what gets in, and what never does."""

import io
import json
import logging
from dataclasses import fields
from typing import get_type_hints

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sidecar import events
from sidecar.directory import Directory, Issuer, Server
from sidecar.events import (
    AuthorizationRefused,
    CallDecided,
    ClientRegistered,
    ConsentAsked,
    EndReason,
    Event,
    GrantEnded,
    PoolsCounted,
    RequestServed,
    TokenRefused,
    UnexpectedError,
)
from sidecar.sealing import Key, Keyring, KeyState
from sidecar.telemetry import EventLog, Telemetry, library_logs, open_log
from sidecar.telemetry.metrics import Metrics

SERVER = Server("notes", "https://mcp.example.com/mcp", "http://127.0.0.1:9", "https://mcp.example.com", "corp")
SERVED = Directory((SERVER,), (Issuer(SERVER.issuer, "corp"),))
REGISTERED = ClientRegistered(
    issuer="https://mcp.example.com",
    pool="corp",
    client="dcr1-x",
    client_name="Claude",
    redirect_hosts=("claude.ai",),
    auth_method="none",
)


def every_event() -> list[type[Event]]:
    return [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)][1:]


def filled(kind: type[Event], text: str = "x") -> Event:
    """An event whose texts are all `text`."""
    values = {
        str: text,
        float: 0.1,
        int: 200,
        bool: True,
        tuple[str, ...]: (text,),
        tuple[tuple[str, int, int], ...]: ((text, 1, 2),),
        EndReason: "revoked",
    }
    hints = get_type_hints(kind)
    members = {field.name: values.get(hints[field.name], text) for field in fields(kind)}
    return kind(**(members | {"step": "callback"} if kind is AuthorizationRefused else members))


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.req(194)
def test_an_audit_line_says_who_what_and_under_which_reference():
    stream = io.StringIO()
    known = events.reference.set("ref0000001"), events.sign_in.set("ref0000002")
    try:
        EventLog(open_log("json", "info", stream))(REGISTERED)
    finally:
        events.reference.reset(known[0])
        events.sign_in.reset(known[1])
    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "client_registered",
        "level": "info",
        "audit": True,
        "reference": "ref0000001",
        "sign_in": "ref0000002",
        "issuer": "https://mcp.example.com",
        "pool": "corp",
        "client": "dcr1-x",
        "client_name": "Claude",
        "redirect_hosts": ["claude.ai"],
        "auth_method": "none",
        "stored": False,
    }


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31mred", "a\u202eb", "\udcff", "x" * 100_000, "\u2028", "\x00"])
def test_what_callers_wrote_stays_on_one_line_and_within_bounds(form, text):
    """Threats DC-15, EX-05: no forged line, no terminal codes, no crash on odd bytes."""
    stream = io.StringIO()
    EventLog(open_log(form, "info", stream))(filled(ClientRegistered, text))
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert len(written) < 8_000
    assert not any(char in written[:-1] for char in "\n\x1b\u202e\u2028\x00")
    written.encode()


@pytest.mark.parametrize("kind", every_event(), ids=lambda kind: kind.name)
def test_every_event_is_logged_and_counted(kind):
    stream, registry = io.StringIO(), CollectorRegistry()
    telemetry = Telemetry(registry, EventLog(open_log("json", "debug", stream)))
    before = generate_latest(registry)
    telemetry(filled(kind))
    assert lines(stream)[0]["event"] == kind.name
    assert generate_latest(registry) != before, "no metric counts it"
    assert registry.get_sample_value("dcr_sidecar_events_lost_total") == 0


@pytest.mark.parametrize(
    ("event", "written"),
    [
        pytest.param(CallDecided(server="notes", outcome="allowed", seconds=0.1), False, id="allowed-call"),
        pytest.param(CallDecided(server="notes", outcome="no_token", seconds=0.1), True, id="refused-call"),
        pytest.param(
            RequestServed(listener="ops", method="GET", route="/livez", status=200, seconds=0.1), False, id="probe"
        ),
        pytest.param(
            RequestServed(listener="oauth", method="POST", route="/token", status=200, seconds=0.1), True, id="token"
        ),
        pytest.param(UnexpectedError(kind="KeyError", frames=()), True, id="defect"),
    ],
)
def test_at_level_info_what_happens_all_the_time_is_left_to_envoy(event, written):
    stream = io.StringIO()
    EventLog(open_log("json", "info", stream))(event)
    assert bool(stream.getvalue()) == written


def test_texts_from_callers_become_no_labels():
    """Threats AD-03. Pools, credentials, reasons and the like are the operator's or our own words."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, SERVED)
    told = (ClientRegistered, AuthorizationRefused, ConsentAsked, GrantEnded, TokenRefused)
    for number in range(50):
        text = f"canary{number}"
        metrics(RequestServed(listener="oauth", method=text, route="/t", status=200, seconds=0.1, error=text))
        metrics(CallDecided(server=text, outcome="no_token", seconds=0.1, client=text, method=text))
        for kind in told:
            metrics(filled(kind, text))
    written = generate_latest(registry).decode()
    assert "canary" not in written
    assert 'dcr_sidecar_tokens_total{flow="other",outcome="other",pool="other",server=""} 50.0' in written


def samples(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """What is not 0, by the labels' values in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == f"dcr_sidecar_{name}" and sample.value
    }


def test_each_step_of_the_funnel_says_where_and_how_it_went():
    registry = CollectorRegistry()
    metrics = Metrics(registry, SERVED)
    where = {"issuer": SERVER.issuer, "client": "c", "client_name": "C", "server": "notes"}
    refused = {"issuer": SERVER.issuer, "detail": ""}
    user = {"user": "u", "grant": "g", "scopes": ()}
    for event in [
        REGISTERED,
        events.RegistrationRefused(**refused, error="invalid_redirect_uri"),
        ConsentAsked(**where, pool="corp"),
        AuthorizationRefused(**refused, step="authorize", error="invalid_client"),
        events.ConsentGiven(**where, pool="corp", scopes=()),
        events.ConsentDenied(**where),
        AuthorizationRefused(**refused, step="approve", error="temporarily_unavailable", server="notes"),
        events.SignedIn(**where, **user, pool="corp", email=""),
        AuthorizationRefused(**refused, step="callback", error="access_denied", server="notes"),
        events.TokenIssued(**where, **user, flow="refresh_token"),
        TokenRefused(**refused, flow="refresh_token", error="invalid_grant"),
        GrantEnded(grant="g", reason="refresh_reused", server="notes"),
        GrantEnded(grant="g", reason="operator"),
    ]:
        metrics(event)
    assert samples(registry, "registrations_total") == {
        ("sealed", "registered", "corp"): 1,
        ("", "invalid_redirect_uri", "corp"): 1,
    }
    assert samples(registry, "authorizations_total") == {
        ("asked", "corp", "notes"): 1,
        ("invalid_client", "corp", ""): 1,
    }
    assert samples(registry, "consents_total") == {
        ("given", "corp", "notes"): 1,
        ("denied", "corp", "notes"): 1,
        ("temporarily_unavailable", "corp", "notes"): 1,
    }
    assert samples(registry, "callbacks_total") == {
        ("signed_in", "corp", "notes"): 1,
        ("access_denied", "corp", "notes"): 1,
    }
    assert samples(registry, "tokens_total") == {
        ("refresh_token", "issued", "corp", "notes"): 1,
        ("refresh_token", "invalid_grant", "corp", ""): 1,
    }
    assert samples(registry, "grants_ended_total") == {
        ("corp", "refresh_reused", "notes"): 1,
        ("", "operator", ""): 1,
    }


def test_a_pool_that_is_gone_leaves_no_number_behind():
    registry = CollectorRegistry()
    metrics = Metrics(registry, SERVED)
    metrics(PoolsCounted(counts=(("corp", 3, 2), ("old", 1, 1))))
    metrics(PoolsCounted(counts=(("corp", 4, 2),)))
    assert (samples(registry, "clients"), samples(registry, "grants")) == ({("corp",): 4}, {("corp",): 2})


def test_keys_tell_their_state_and_age_and_nothing_else():
    registry = CollectorRegistry()
    old, new = bytes(range(32)), bytes(range(32, 64))
    keyring = Keyring((Key(1, KeyState.OPEN, old, 1_700_000_000), Key(2, KeyState.ACTIVE, new, 1_800_000_000)))
    Metrics(registry, SERVED).operation.describe(keyring)
    assert samples(registry, "key_created_timestamp_seconds") == {
        ("1", "open"): 1_700_000_000,
        ("2", "active"): 1_800_000_000,
    }
    assert registry.get_sample_value("process_resident_memory_bytes")


def test_calls_to_the_store_are_counted_by_what_and_timed_by_kind():
    registry = CollectorRegistry()
    far_ends = Metrics(registry, SERVED).far_ends
    far_ends.store_called("script", "grant_redeem", "ok", 0.002)
    far_ends.store_called("script", "grant_redeem", "timeout", 0.25)
    far_ends.heard_ourselves(0.003)
    assert samples(registry, "store_calls_total") == {("grant_redeem", "ok"): 1, ("grant_redeem", "timeout"): 1}
    assert samples(registry, "store_call_seconds_count") == {("script",): 2}
    assert samples(registry, "push_lag_seconds_count") == {(): 1}


def test_no_series_says_when_another_was_created():
    registry = CollectorRegistry()
    telemetry = Telemetry(registry, served=SERVED)
    for kind in every_event():
        telemetry(filled(kind))
    names = [line.partition("{")[0] for line in generate_latest(registry).decode().splitlines()]
    assert [name for name in names if name.endswith("_created")] == []


def test_a_sink_that_fails_fails_nobody_else():
    registry = CollectorRegistry()
    heard: list[Event] = []

    def broken(_event: Event) -> None:
        raise BrokenPipeError

    telemetry = Telemetry(registry, broken)
    telemetry.add_sink(heard.append)
    telemetry(REGISTERED)
    assert heard == [REGISTERED]
    assert registry.get_sample_value("dcr_sidecar_events_lost_total") == 1


@pytest.mark.req(192)
def test_libraries_are_heard_without_the_values_they_quote():
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    with library_logs(open_log("json", "info", stream)):
        try:
            int("canary-message")
        except ValueError:
            logging.getLogger("aiohttp.server").exception("bad request from %s", "canary-peer")
        logging.getLogger("other").warning("canary-preformatted")
        logging.getLogger("other").info("not for us")
    assert logging.getLogger().handlers == before
    first, second = lines(stream)
    assert (first["library"], first["message"], first["kind"]) == (
        "aiohttp.server",
        "bad request from %s",
        "ValueError",
    )
    assert second["library"] == "other"
    assert "canary" not in stream.getvalue()
