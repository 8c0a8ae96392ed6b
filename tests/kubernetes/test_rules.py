"""The alerts, by real promtool: each fires for what it is for, and keeps quiet beside it."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = sorted((Path(__file__).parents[2] / "helm/dcr-sidecar/rules").glob("*.yaml"))
_JOB = 'namespace="tools", job="notes"'
Series = Mapping[str, str]
"""By name and labels: values at each minute as promtool writes them (`0+2x30`: from 0, two more each, thirty times)."""


@dataclass(frozen=True)
class Case:
    alert: str
    fires: Series
    quiet: Series
    at: str = "30m"


CASES = [
    Case(
        "DcrSidecarCallsUnavailable",
        {
            'calls_total{server="a", outcome="unavailable"}': "0+6x60",
            'calls_total{server="a", outcome="allowed"}': "0+60x60",
        },
        {
            'calls_total{server="a", outcome="unavailable"}': "0+2x60",
            'calls_total{server="a", outcome="no_token"}': "0+60x60",
        },
    ),
    Case(
        "DcrSidecarNobodySignsIn",
        {
            'consents_total{pool="a", outcome="given"}': "0+1x90",
            'callbacks_total{pool="a", outcome="signed_in"}': "0x90",
        },
        {
            'consents_total{pool="a", outcome="given"}': "0+1x90",
            'callbacks_total{pool="a", outcome="signed_in"}': "0x40 1x50",
        },
        at="60m",
    ),
    Case(
        "DcrSidecarClientsUnknown",
        {
            'tokens_total{pool="a", outcome="invalid_client"}': "0+2x60",
            'tokens_total{pool="a", outcome="issued"}': "0+2x60",
        },
        {
            'tokens_total{pool="a", outcome="invalid_client"}': "0+2x60",
            'tokens_total{pool="a", outcome="issued"}': "0+9x60",
        },
    ),
    Case(
        "DcrSidecarGone",
        {'build_info{pod="p"}': "1x20 _x40", 'build_info{pod="q"}': "_x10 1x8 _x42"},
        {'build_info{pod="p"}': "1x20 _x40", 'build_info{pod="q"}': "_x10 1x50"},
        at="45m",
    ),
    Case(
        "DcrSidecarIdpRefusesUs",
        {'upstream_calls_total{pool="a", provider="entra", outcome="misconfigured"}': "0x25 1x10"},
        {'upstream_calls_total{pool="a", provider="entra", outcome="refused"}': "0+5x60"},
    ),
    Case(
        "DcrSidecarIdpFails",
        {
            'upstream_calls_total{pool="a", provider="entra", outcome="unavailable"}': "0+2x60",
            'upstream_calls_total{pool="a", provider="entra", outcome="ok"}': "0+4x60",
        },
        {
            'upstream_calls_total{pool="a", provider="entra", outcome="unavailable"}': "0+1x60",
            'upstream_calls_total{pool="a", provider="entra", outcome="ok"}': "0+9x60",
        },
    ),
    Case(
        "DcrSidecarRefreshesFail",
        {
            'upstream_calls_total{pool="a", provider="entra", operation="refresh", outcome="refused"}': "0+1x90",
            'upstream_calls_total{pool="a", provider="entra", operation="refresh", outcome="ok"}': "0+2x90",
        },
        {
            'upstream_calls_total{pool="a", provider="entra", operation="refresh", outcome="refused"}': "0+1x90",
            'upstream_calls_total{pool="a", provider="entra", operation="refresh", outcome="ok"}': "0+9x90",
        },
        at="60m",
    ),
    Case(
        "DcrSidecarFormerCredentials",
        {'former_credentials_total{pool="a", what="gone"}': "0x10 1x50"},
        {'former_credentials_total{pool="a", what="client"}': "0+9x60"},
    ),
    Case(
        "DcrSidecarUpstreamRegistrationFails",
        {'upstream_registrations_total{pool="a", outcome="refused"}': "_x20 1x20"},
        {
            'upstream_registrations_total{pool="a", outcome="registered"}': "_x20 1x20",
            'upstream_registrations_total{pool="b", outcome="refused"}': "1x60",
        },
        at="35m",
    ),
    Case(
        "DcrSidecarOriginRefusesTokens",
        {'origin_refusals_total{server="a", outcome="ended"}': "0+1x60"},
        {'origin_refusals_total{server="a", outcome="marked"}': "0+1x60"},
    ),
    Case(
        "DcrSidecarReuseDetected",
        {'grants_ended_total{server="a", reason="refresh_reused"}': "0x25 1x9"},
        {'grants_ended_total{server="a", reason="revoked"}': "0+3x60"},
    ),
    Case(
        "DcrSidecarRegistrationFlood",
        {'requests_total{listener="oauth", route="/register", status="429"}': "0+5x60"},
        {
            'requests_total{listener="oauth", route="/token", status="429"}': "0+5x60",
            'registrations_total{outcome="registered"}': "0+20x60",
        },
    ),
    Case(
        "DcrSidecarOperatorRefused",
        {'operator_changes_total{what="refused"}': "0+1x60"},
        {'operator_changes_total{what="user_offboarded"}': "0+1x60"},
    ),
    Case("DcrSidecarEventsLost", {"events_lost_total": "0x25 1x9"}, {"events_lost_total": "1x60"}),
    Case(
        "DcrSidecarStoreErrors",
        {
            'store_calls_total{operation="get", outcome="timeout"}': "0+10x60",
            'store_calls_total{operation="get", outcome="ok"}': "0+90x60",
        },
        {
            'store_calls_total{operation="limit", outcome="no_script"}': "0+10x60",
            'store_calls_total{operation="get", outcome="timeout"}': "0+1x60",
            'store_calls_total{operation="get", outcome="ok"}': "0+90x60",
        },
    ),
    Case(
        "DcrSidecarStoreSlow",
        {
            'store_call_seconds_bucket{kind="command", le="0.1"}': "0+9x60",
            'store_call_seconds_bucket{kind="command", le="0.25"}': "0+10x60",
            'store_call_seconds_bucket{kind="command", le="+Inf"}': "0+10x60",
        },
        {
            'store_call_seconds_bucket{kind="command", le="0.1"}': "0+10x60",
            'store_call_seconds_bucket{kind="command", le="+Inf"}': "0+10x60",
            'store_call_seconds_bucket{kind="confirm", le="0.1"}': "0x60",
            'store_call_seconds_bucket{kind="confirm", le="+Inf"}': "0+10x60",
        },
    ),
    Case(
        "DcrSidecarStoreLosesData",
        {'store_faults_total{reason="grant_record"}': "_x20 1x20"},
        {'store_faults_total{reason="grant_record"}': "1x60", 'grants_ended_total{reason="revoked"}': "0+1x60"},
        at="35m",
    ),
    Case("DcrSidecarPushChannelDown", {'push_channel_up{pod="p"}': "0x60"}, {'push_channel_up{pod="p"}': "1x27 0x9"}),
    Case(
        "DcrSidecarPushLag",
        {
            'push_lag_seconds_bucket{pod="p", le="0.5"}': "0x60",
            'push_lag_seconds_bucket{pod="p", le="1"}': "0+12x60",
            'push_lag_seconds_bucket{pod="p", le="+Inf"}': "0+12x60",
        },
        {
            'push_lag_seconds_bucket{pod="p", le="0.5"}': "0+12x60",
            'push_lag_seconds_bucket{pod="p", le="+Inf"}': "0+12x60",
        },
    ),
    Case(
        "DcrSidecarKeysDiffer",
        {
            'key_created_timestamp_seconds{pod="p", key="2", state="active"}': "7x60",
            'build_info{pod="p"}': "1x60",
            'build_info{pod="q"}': "1x60",
        },
        {
            'key_created_timestamp_seconds{pod="p", key="2", state="active"}': "7x60",
            'key_created_timestamp_seconds{pod="q", key="2", state="active"}': "7x60",
            'build_info{pod="p"}': "1x60",
            'build_info{pod="q"}': "1x60",
        },
    ),
    Case(
        "DcrSidecarPoolNotServed",
        {'pools_not_served_total{pool="a", reason="unreadable"}': "_x20 1x20"},
        {'pools_not_served_total{pool="a", reason="unreadable"}': "1x60"},
    ),
    Case(
        "DcrSidecarChecksSlow",
        {
            'call_seconds_bucket{outcome="allowed", le="0.25"}': "0+9x60",
            'call_seconds_bucket{outcome="allowed", le="0.5"}': "0+10x60",
            'call_seconds_bucket{outcome="allowed", le="+Inf"}': "0+10x60",
        },
        {
            'call_seconds_bucket{outcome="allowed", le="0.1"}': "0+10x60",
            'call_seconds_bucket{outcome="allowed", le="+Inf"}': "0+10x60",
        },
    ),
    Case("DcrSidecarDefect", {"unexpected_errors_total": "0x25 1x9"}, {"unexpected_errors_total": "4x60"}),
    Case(
        "DcrSidecarVersionsDiffer",
        {'build_info{version="1", pod="p"}': "1x99", 'build_info{version="2", pod="q"}': "1x99"},
        {'build_info{version="1", pod="p"}': "1x70 _x29", 'build_info{version="2", pod="q"}': "_x40 1x59"},
        at="95m",
    ),
    Case(
        "DcrSidecarRestarts",
        {'process_start_time_seconds{instance="i"}': "0+7x60", 'build_info{instance="i"}': "1x60"},
        {
            'process_start_time_seconds{instance="i"}': "0x25 7x35",
            'build_info{instance="i"}': "1x60",
            'process_start_time_seconds{instance="another program"}': "0+7x60",
        },
    ),
]


def alerts() -> dict[str, Any]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def promtool(*arguments: str) -> str:
    found = shutil.which("promtool")
    assert found, "these tests need Prometheus and its promtool: apt-get install prometheus"
    ran = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_promtool_takes_the_rules():
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


def test_every_alert_has_a_case():
    assert sorted(case.alert for case in CASES) == sorted(alerts())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_fires_for_its_cause_and_for_nothing_beside_it(case: Case, tmp_path: Path):
    tests = [asked(case, case.fires, firing=True), asked(case, case.quiet, firing=False)]
    document = {"rule_files": [str(path) for path in RULES], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", str(tmp_path / "test.yaml"))


def asked(case: Case, series: Series, *, firing: bool) -> dict[str, Any]:
    """Through the series that Prometheus itself keeps of its alerts."""
    expression = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing", {_JOB}}}) > bool 0'
    return {
        "name": f"{case.alert} {'fires' if firing else 'is quiet'}",
        "interval": "1m",
        "input_series": [{"series": full(name), "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expression, "eval_time": case.at, "exp_samples": [{"labels": "{}", "value": 1}] if firing else []}
        ],
    }


def full(name: str) -> str:
    metric, _, labels = name.removesuffix("}").partition("{")
    ours = metric if metric.startswith("process_") else f"dcr_sidecar_{metric}"
    return f"{ours}{{{', '.join(filter(None, [_JOB, labels]))}}}"
