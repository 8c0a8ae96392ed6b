"""The log's lines and the metrics' series: what gets in, and what never does."""

import io
import json
import logging
from dataclasses import fields
from typing import get_type_hints

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sidecar import events
from sidecar.events import CallDecided, ClientRegistered, EndReason, Event, RequestServed, TokenRefused, UnexpectedError
from sidecar.telemetry import EventLog, Telemetry, library_logs, open_log
from sidecar.telemetry.metrics import Metrics

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
    values = {str: text, float: 0.1, int: 200, bool: True, tuple[str, ...]: (text,), EndReason: "revoked"}
    hints = get_type_hints(kind)
    return kind(**{field.name: values.get(hints[field.name], text) for field in fields(kind)})


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
    """Threats AD-03."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(50):
        text = f"canary{number}"
        metrics(TokenRefused(issuer=text, flow=text, error=text, detail=text, client=text))
        metrics(RequestServed(listener="oauth", method=text, route="/t", status=200, seconds=0.1, error=text))
        metrics(filled(ClientRegistered, text))
    written = generate_latest(registry).decode()
    assert "canary" not in written
    assert 'dcr_sidecar_tokens_total{flow="other",outcome="other"} 50.0' in written


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
