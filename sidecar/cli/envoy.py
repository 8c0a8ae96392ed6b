"""`dcr-sidecar envoy-config`: Envoy's configuration for this deployment. Reads no secret."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sidecar.cli.configuration import ConfigOption, load_outline
from sidecar.cli.output import complain, done
from sidecar.envoy_config import (
    COMMENTS,
    EnvoyPlan,
    Place,
    bootstrap,
    dump_yaml,
    envoy_gateway_yaml,
    fragment,
    istio_yaml,
    plan_from,
)
from sidecar.settings import Outline, Problem, SettingsError

_PLACE = Place()
_PANEL = "For envoy-gateway and istio"


class Format(StrEnum):
    BOOTSTRAP = "bootstrap"
    FRAGMENT = "fragment"
    ENVOY_GATEWAY = "envoy-gateway"
    ISTIO = "istio"


def envoy_config(  # noqa: PLR0917 - one parameter an option
    config: ConfigOption = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format", "-f", help="A whole Envoy, the parts for one that already runs, or a gateway's objects."
        ),
    ] = Format.BOOTSTRAP,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", help="The sidecar's, and the routes'.", rich_help_panel=_PANEL)
    ] = _PLACE.namespace,
    service: Annotated[
        str, typer.Option("--service", help="The sidecar's Service.", rich_help_panel=_PANEL)
    ] = _PLACE.service,
    gateway: Annotated[
        str, typer.Option("--gateway", metavar="NAMESPACE/NAME", help="The Gateway.", rich_help_panel=_PANEL)
    ] = f"{_PLACE.gateway_namespace}/{_PLACE.gateway}",
    listener: Annotated[
        str,
        typer.Option("--listener", help="Envoy Gateway: one listener of it, by its name.", rich_help_panel=_PANEL),
    ] = _PLACE.listener,
    workload: Annotated[
        str, typer.Option("--workload", help="Istio: the label of the gateway's pods.", rich_help_panel=_PANEL)
    ] = _PLACE.workload,
    secret: Annotated[
        str,
        typer.Option("--secret-name", help="Envoy Gateway: the check secret's Secret.", rich_help_panel=_PANEL),
    ] = _PLACE.secret,
    lua: Annotated[
        bool,
        typer.Option(help="The filter that turns an MCP server's 401 into our challenge.", rich_help_panel=_PANEL),
    ] = _PLACE.lua,
) -> None:
    """Print Envoy's configuration for this deployment."""
    try:
        gateway_namespace, _, name = gateway.rpartition("/")
        place = Place(namespace, service, name, gateway_namespace or namespace, listener, workload, secret, lua)
        text = _text(form, _plan(load_outline(config)), place)
    except ValueError as error:
        raise SettingsError([Problem("", str(error))]) from error
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        complain(f"{output} cannot be written: {error.strerror}")
        raise typer.Exit(2) from None
    done(f"wrote {output}")


def _plan(found: Outline) -> EnvoyPlan:
    listeners = found.listeners
    return plan_from(
        found.directory,
        oauth=listeners.oauth,
        check=listeners.check,
        envoy=found.envoy,
        check_secret=bool(listeners.check_secret),
    )


def _text(form: Format, plan: EnvoyPlan, place: Place) -> str:
    match form:
        case Format.BOOTSTRAP:
            return dump_yaml(bootstrap(plan), COMMENTS)
        case Format.FRAGMENT:
            return dump_yaml(fragment(plan), COMMENTS)
        case Format.ENVOY_GATEWAY:
            return envoy_gateway_yaml(plan, place)
        case Format.ISTIO:
            return istio_yaml(plan, place)
