"""What the dashboard asks, row by row. How that becomes Grafana's JSON is `board`'s.

Written for the person on call. Ratios and failures that may not have happened yet are 0 then, not empty.
"""

from dataclasses import dataclass
from typing import Literal

_JOB = 'namespace=~"$namespace", job=~"$job"'
_POOL = f'{_JOB}, pool=~"$pool"'
# A request that did not get so far as to name a server counts for each.
_SERVER = f'{_POOL}, server=~"$server|"'
_RATE = "$__rate_interval"


@dataclass(frozen=True)
class Variable:
    name: str
    label: str
    query: str
    every: str = ""
    """What "All" means. Empty: those that were found, which keeps other programs' processes out."""


@dataclass(frozen=True)
class Query:
    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    title: str
    text: str
    queries: tuple[Query, ...]
    kind: Literal["stat", "timeseries", "bargauge", "table"] = "timeseries"
    unit: str = "reqps"
    width: int = 8
    bad: float | None = None
    """Red from here on."""
    low: float | None = None
    """Red below."""


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def _rate(metric: str, where: str, more: str = "", by: str = "") -> str:
    group = f"sum by ({by})" if by else "sum"
    return f"{group} (rate(dcr_sidecar_{metric}{{{', '.join(filter(None, [where, more]))}}}[{_RATE}]))"


def _sum(metric: str, where: str, more: str = "", by: str = "") -> str:
    """In the whole time shown."""
    return _rate(metric, where, more, by).replace("rate(", "increase(").replace(_RATE, "$__range")


def _quantile(share: float, metric: str, where: str, by: str = "") -> str:
    labels = ", ".join(filter(None, [by, "le"]))
    return f"histogram_quantile({share}, {_rate(metric + '_bucket', where, by=labels)})"


def _or_none(expression: str) -> str:
    return f"{expression} or vector(0)"


def _share(part: str, whole: str) -> str:
    return f"({_or_none(part)}) / {whole}"


def _stat(
    title: str, text: str, expression: str, unit: str = "short", *, bad: float | None = None, low: float | None = None
) -> Panel:
    return Panel(title, text, (Query(expression),), "stat", unit, 3, bad, low)


def _line(title: str, text: str, *queries: tuple[str, str], unit: str = "reqps", width: int = 8) -> Panel:
    return Panel(title, text, tuple(Query(*query) for query in queries), unit=unit, width=width)


VARIABLES = (
    Variable("namespace", "Namespace", "label_values(dcr_sidecar_build_info, namespace)"),
    Variable("job", "Release", 'label_values(dcr_sidecar_build_info{namespace=~"$namespace"}, job)'),
    Variable("pool", "Pool", f"label_values(dcr_sidecar_callbacks_total{{{_JOB}}}, pool)", ".*"),
    Variable("server", "Server", f"label_values(dcr_sidecar_callbacks_total{{{_POOL}}}, server)", ".*"),
)

_ASKED, _GIVEN, _SIGNED_IN = 'outcome="asked"', 'outcome="given"', 'outcome="signed_in"'
_DEAD = 'flow="refresh_token", outcome!="issued"'
_ALLOWED = 'outcome="allowed"'
_REMEMBERED = f'{_ALLOWED}, cached="yes"'
_FAULT = 'outcome=~"unavailable|no_pool"'
_STORE_FAILED = 'outcome!~"ok|no_script|cancelled"'
_IDP_FAILED = 'outcome!~"ok|refused"'
_PASSED = 'outcome=~"allowed|passed|preflight|relayed"'

_LOCKED_OUT = Row(
    "Is anyone locked out?",
    (
        _stat(
            "Calls with 503",
            "Nobody knows whether they may pass: store, provider or pool.",
            _share(_rate("calls_total", _SERVER, _FAULT), _rate("calls_total", _SERVER)),
            "percentunit",
            bad=0.01,
        ),
        _stat(
            "Sign-ins that succeed",
            "Of those who approved. Some always give up at the provider.",
            _share(_sum("callbacks_total", _SERVER, _SIGNED_IN), _sum("consents_total", _SERVER, _GIVEN)),
            "percentunit",
            low=0.5,
        ),
        _stat(
            "Refreshes refused",
            "Clients that come with a dead refresh token: their users sign in again.",
            _share(
                _sum("tokens_total", _SERVER, _DEAD),
                _sum("tokens_total", _SERVER, 'flow=~"refresh_token|refresh_grace"'),
            ),
            "percentunit",
            bad=0.2,
        ),
        _stat(
            "Alerts firing",
            "Of this chart. Which: the red marks in the graphs below. Each has a runbook, linked above.",
            _or_none(f'count(ALERTS{{alertname=~"DcrSidecar.*", alertstate="firing", {_JOB}}})'),
            bad=1,
        ),
        _stat(
            "Replicas",
            "That are scraped. With none, every call gets 503, and what else stands here is old.",
            _or_none(f"count(dcr_sidecar_build_info{{{_JOB}}})"),
            low=1,
        ),
        _stat(
            "Replicas that hear revocations",
            "The others learn of them within two seconds.",
            f"sum(dcr_sidecar_push_channel_up{{{_JOB}}})",
            low=1,
        ),
        _stat(
            "Grants",
            "Sign-ins that are not over.",
            f"sum(max by (namespace, job, pool) (dcr_sidecar_grants{{{_POOL}}}))",
        ),
        _stat(
            "Clients",
            "Registered, as far as the store knows.",
            f"sum(max by (namespace, job, pool) (dcr_sidecar_clients{{{_POOL}}}))",
        ),
    ),
)

_FUNNEL = Row(
    "Where in the funnel?",
    (
        Panel(
            "The way in",
            "In the time shown. Where a bar is much shorter than the one before, look at that step.",
            (
                Query(_sum("registrations_total", _POOL, 'outcome="registered"'), "1 registered"),
                Query(_sum("authorizations_total", _SERVER, _ASKED), "2 asked for consent"),
                Query(_sum("consents_total", _SERVER, _GIVEN), "3 approved"),
                Query(_sum("callbacks_total", _SERVER, _SIGNED_IN), "4 signed in"),
                Query(_sum("tokens_total", _SERVER, 'flow="authorization_code", outcome="issued"'), "5 got tokens"),
            ),
            "bargauge",
            "short",
        ),
        _line(
            "Steps that went on",
            "A line that ends while the one before it goes on is the step to look at.",
            (_rate("authorizations_total", _SERVER, _ASKED), "asked"),
            (_rate("consents_total", _SERVER, _GIVEN), "approved"),
            (_rate("callbacks_total", _SERVER, _SIGNED_IN), "signed in"),
            (_rate("tokens_total", _SERVER, 'outcome="issued"', "flow"), "{{flow}}"),
        ),
        _line(
            "Steps that did not",
            "The log has the cause: grep for authorization_refused, registration_refused, token_refused.",
            (
                _rate("registrations_total", _POOL, 'outcome!~"registered|updated|deleted"', "outcome"),
                "register: {{outcome}}",
            ),
            (_rate("authorizations_total", _SERVER, 'outcome!="asked"', "outcome"), "authorize: {{outcome}}"),
            (_rate("consents_total", _SERVER, 'outcome!="given"', "outcome"), "consent: {{outcome}}"),
            (_rate("callbacks_total", _SERVER, 'outcome!="signed_in"', "outcome"), "return: {{outcome}}"),
            (_rate("tokens_total", _SERVER, 'outcome!="issued"', "outcome"), "token: {{outcome}}"),
        ),
    ),
)

_FAULTS = Row(
    "Whose fault?",
    (
        _line(
            "Errors by side",
            "Clients and scanners always make some. What has no line is 0.",
            (_or_none(_rate("requests_total", _JOB, 'listener="oauth", status=~"4.."')), "clients: 4xx"),
            (_or_none(_rate("unexpected_errors_total", _JOB)), "us: defects"),
            (_or_none(_rate("store_calls_total", _JOB, _STORE_FAILED)), "store"),
            (_or_none(_rate("upstream_calls_total", _POOL, _IDP_FAILED)), "identity providers"),
            (_or_none(_rate("origin_refusals_total", _SERVER)), "MCP servers: 401 to a fresh token"),
            width=12,
        ),
        _line(
            "Identity providers",
            "refused: this user's token is dead. misconfigured: they refuse us.",
            (
                _rate("upstream_calls_total", _POOL, by="pool, operation, outcome") + " > 0",
                "{{pool}} {{operation}}: {{outcome}}",
            ),
            width=12,
        ),
        _line(
            "Identity providers: time",
            "Calls are given up after four seconds.",
            (_quantile(0.95, "upstream_call_seconds", _JOB, "provider, operation"), "{{provider}} {{operation}} p95"),
            unit="s",
            width=6,
        ),
        _line(
            "Store: outcomes",
            "no_script: a store that restarted learns the scripts anew. The rest but ok is trouble.",
            (_rate("store_calls_total", _JOB, by="outcome"), "{{outcome}}"),
            unit="ops",
            width=6,
        ),
        _line(
            "Store: time",
            "`store.timeout_ms` makes slow calls failed ones.",
            (_quantile(0.5, "store_call_seconds", _JOB, "kind"), "{{kind}} p50"),
            (_quantile(0.99, "store_call_seconds", _JOB, "kind"), "{{kind}} p99"),
            unit="s",
            width=6,
        ),
        _line(
            "Revocations: time to hear",
            "From saying something through the store to hearing it.",
            (_quantile(0.99, "push_lag_seconds", _JOB, "pod"), "{{pod}} p99"),
            unit="s",
            width=6,
        ),
    ),
)

_CALLS = Row(
    "Calls of MCP clients",
    (
        _line(
            "Decisions",
            "no_token: how every client begins. unavailable: 503.",
            (_rate("calls_total", _SERVER, by="outcome"), "{{outcome}}"),
        ),
        _line("Calls let through", "By server.", (_rate("calls_total", _SERVER, _PASSED, "server"), "{{server}}")),
        _line(
            "Time to decide",
            "Every MCP call waits for it. At five seconds Envoy answers 503.",
            *((_quantile(share, "call_seconds", _JOB), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)),
            unit="s",
        ),
        _line(
            "Decided from memory",
            "Share of the calls let through. The rest read the store.",
            (
                _share(_rate("calls_total", _SERVER, _REMEMBERED), _rate("calls_total", _SERVER, _ALLOWED)),
                "remembered",
            ),
            unit="percentunit",
        ),
        _line(
            "Our own answers", "By status.", (_rate("requests_total", _JOB, 'listener="oauth"', "status"), "{{status}}")
        ),
        _line(
            "Time to answer",
            "/callback and /token wait for the identity provider.",
            (_quantile(0.95, "request_seconds", _JOB + ', listener="oauth"', "route"), "{{route}} p95"),
            unit="s",
        ),
    ),
)

_POOLS = Row(
    "Which pool?",
    (
        Panel(
            "Pools",
            "In the time shown.",
            tuple(
                Query(expression, what)
                for what, expression in (
                    ("signed in", _sum("callbacks_total", _POOL, _SIGNED_IN, "pool")),
                    ("not signed in", _sum("callbacks_total", _POOL, 'outcome!="signed_in"', "pool")),
                    ("provider failed", _sum("upstream_calls_total", _POOL, _IDP_FAILED, "pool")),
                    ("grants now", f"sum by (pool) (max by (namespace, job, pool) (dcr_sidecar_grants{{{_POOL}}}))"),
                    ("clients now", f"sum by (pool) (max by (namespace, job, pool) (dcr_sidecar_clients{{{_POOL}}}))"),
                )
            ),
            "table",
            "short",
        ),
        _line(
            "Sign-ins",
            "Users who came back signed in.",
            (_rate("callbacks_total", _SERVER, _SIGNED_IN, "pool"), "{{pool}}"),
        ),
        _line(
            "Grants that ended early",
            "refresh_reused, code_replayed: see the runbook. upstream_refused: the provider ended them.",
            (_rate("grants_ended_total", _SERVER, by="pool, reason") + " > 0", "{{pool}}: {{reason}}"),
        ),
    ),
)

_CHANGES = Row(
    "What changed?",
    (
        _line(
            "Versions",
            "Replicas by version.",
            (f"count by (version) (dcr_sidecar_build_info{{{_JOB}}})", "{{version}}"),
            unit="short",
            width=6,
        ),
        _line(
            "Replicas by key",
            "A key that not all replicas have makes clients unknown at some.",
            (f"count by (key, state) (dcr_sidecar_key_created_timestamp_seconds{{{_JOB}}})", "key {{key}}, {{state}}"),
            unit="short",
            width=6,
        ),
        Panel(
            "Age of keys",
            "By the key file. The README says how to replace one without anybody noticing.",
            (
                Query(
                    f"time() - max by (key, state) (dcr_sidecar_key_created_timestamp_seconds{{{_JOB}}})",
                    "key {{key}}, {{state}}",
                ),
            ),
            "bargauge",
            "s",
            6,
        ),
        _line(
            "Operators",
            "What they did, and who was taken for none.",
            (_sum("operator_changes_total", _JOB, by="what"), "{{what}}"),
            unit="short",
            width=6,
        ),
        _line(
            "Running for",
            "A fall to zero is a restart.",
            (f"time() - process_start_time_seconds{{{_JOB}}}", "{{pod}}"),
            unit="s",
            width=6,
        ),
        _line(
            "Processor",
            "Of one core. A replica uses no more than one: add replicas.",
            (f"rate(process_cpu_seconds_total{{{_JOB}}}[{_RATE}])", "{{pod}}"),
            unit="percentunit",
            width=6,
        ),
        _line(
            "Memory",
            "At the container's limit it is killed.",
            (f"process_resident_memory_bytes{{{_JOB}}}", "{{pod}}"),
            unit="bytes",
            width=6,
        ),
        _line(
            "Open files",
            "Of those allowed.",
            (f"process_open_fds{{{_JOB}}} / process_max_fds{{{_JOB}}}", "{{pod}}"),
            unit="percentunit",
            width=6,
        ),
    ),
)

ROWS = (_LOCKED_OUT, _FUNNEL, _FAULTS, _CALLS, _POOLS, _CHANGES)
