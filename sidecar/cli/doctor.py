"""`dcr-sidecar doctor`: what is wrong with this deployment. Changes nothing, anywhere."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from sidecar import doctor as examination
from sidecar.cli.configuration import ConfigOption, load
from sidecar.cli.output import print_report
from sidecar.doctor import Deployment, KeyFact, Options, Report, StoreAddress
from sidecar.envoy_config import EnvoyPlan, plan_from
from sidecar.settings import Bind, Problem, Settings, SettingsError

_KNOWN_PUBLISHER = "claude.ai"
"""Whose documents clients name most; where the configuration names no host, the way out is tried there."""
_HTTPS = 443

_EnvoyAdmin = Annotated[
    str,
    typer.Option(metavar="URL", help="Envoy's admin page: http://HOST:PORT or unix:PATH.", show_default=False),
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for machines.")]
_Only = Annotated[
    list[str] | None,
    typer.Option(metavar="GROUP", help=f"Only this; repeatable: {', '.join(examination.GROUPS)}."),
]
_Online = Annotated[bool, typer.Option("--online", help="Try a connection to where client documents are fetched.")]
_NoPost = Annotated[
    bool, typer.Option("--no-idp-post", help="Send no token request, so do not try the client id and secret.")
]
_Timeout = Annotated[float, typer.Option(min=1, max=600, help="Seconds for all of it.")]


def doctor(
    config: ConfigOption = None,
    *,
    envoy_admin: _EnvoyAdmin = "",
    as_json: _Json = False,
    only: _Only = None,
    online: _Online = False,
    no_idp_post: _NoPost = False,
    timeout: _Timeout = 15,
) -> None:
    """Examine configuration, keys, store, IdPs, Envoy and listeners, and say how to mend what is wrong.

    Exit codes: 0 nothing is an error, 1 something is, 2 the configuration does not load.
    """
    options = Options(only=_groups(only or []), idp_post=not no_idp_post, seconds=timeout)
    admin = _admin(envoy_admin)
    try:
        settings = load(config)
        deployment = _deployment(settings, admin, online=online)
    except SettingsError as error:
        findings = tuple(examination.found("config-broken", one.key, one.text) for one in error.problems)
    else:
        findings = _examined(deployment, options)
    report = Report.of(str(config or ""), findings)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_report(lambda console: examination.print_report(report, console))
    raise typer.Exit(report.exit_code)


def _examined(deployment: Deployment, options: Options) -> tuple[examination.Finding, ...]:
    """With a line of progress where there is a terminal."""
    left = [check.name for check in examination.CHECKS if not options.only or check.group in options.only]
    console = Console(stderr=True, highlight=False)
    with console.status(f"looking at {', '.join(left)}") as status:

        def told(name: str) -> None:
            left.remove(name)
            status.update(f"waiting for {', '.join(left)}")

        return asyncio.run(examination.examine(deployment, options, told=told))


def _deployment(settings: Settings, envoy_admin: str, *, online: bool) -> Deployment:
    store, keys = settings.store, settings.keyring.keys
    return Deployment(
        directory=settings.directory,
        store=StoreAddress(store.url, store.prefix, store.timeout_ms, store.wait_replicas),
        plan=_plan(settings),
        envoy_admin=envoy_admin or _url(settings.envoy.admin),
        ops=_url(settings.listeners.ops),
        keyring=settings.keyring,
        keys=tuple(KeyFact(key.id, key.state, key.created_at) for key in keys),
        keys_file=settings.keys_file,
        warnings=settings.warnings,
        egress=_egress(settings) if online else (),
    )


def _plan(settings: Settings) -> EnvoyPlan:
    listeners = settings.listeners
    try:
        return plan_from(
            settings.directory,
            oauth=listeners.oauth,
            check=listeners.check,
            envoy=settings.envoy,
            check_secret=bool(listeners.check_secret),
        )
    except ValueError as error:
        raise SettingsError([Problem("", str(error))]) from error


def _egress(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Nowhere when no client documents are read."""
    policy = settings.documents.policy
    if not policy.enabled:
        return ()
    named = [host for host in policy.hosts if "*" not in host]
    return tuple((host, _HTTPS) for host in named) or ((_KNOWN_PUBLISHER, _HTTPS),)


def _url(bind: Bind) -> str:
    """Where to ask a listener that binds here: one that binds every address is asked on loopback."""
    if bind.unix:
        return str(bind)
    if bind.every_address:
        bind = Bind("::1" if ":" in bind.host else "127.0.0.1", bind.port)
    return f"http://{bind}"


def _groups(names: list[str]) -> frozenset[examination.Group]:
    for name in names:
        if name not in examination.GROUPS:
            text = f"there is no {name}; name one of {', '.join(examination.GROUPS)}"
            raise typer.BadParameter(text, param_hint="--only")
    return frozenset(group for group in examination.GROUPS if group in names)


def _admin(text: str) -> str:
    if text and not text.startswith(("http://", "unix:")):
        raise typer.BadParameter("must be http://HOST:PORT or unix:PATH", param_hint="--envoy-admin")
    return text
