"""`dcr-sidecar probe`: what an MCP client would find at a URL. Needs no configuration."""

import asyncio
import json
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from sidecar import probe as probing
from sidecar.cli.output import print_report
from sidecar.probe.places import is_url, origin

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)")


_Url = Annotated[str, typer.Argument(help="The MCP server, as users give it to their client.", show_default=False)]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for machines.")]
_Timeout = Annotated[float, typer.Option(min=1, max=600, help="Seconds for all of it.")]
_Headers = Annotated[
    list[str] | None, typer.Option("--header", help="`Name: value`, for the MCP server's origin only; repeatable.")
]
_CaFile = Annotated[Path | None, typer.Option(help="A private CA, trusted beside the public ones.")]
_Origin = Annotated[
    str, typer.Option(metavar="ORIGIN", help="Check CORS too, for pages of this origin.", show_default=False)
]
_Active = Annotated[bool, typer.Option("--active", help="POST a malformed body to the registration endpoint.")]
_Register = Annotated[
    bool, typer.Option("--register", help="Register a client, and delete it where that is offered (RFC 7592).")
]


def probe(
    url: _Url,
    *,
    as_json: _Json = False,
    timeout: _Timeout = 30,
    header: _Headers = None,
    ca_file: _CaFile = None,
    browser_origin: _Origin = "",
    active: _Active = False,
    register: _Register = False,
) -> None:
    """Walk discovery as MCP clients do, and say what they will do and what is wrong.

    Exit codes: 0 a client gets in by itself, 1 it does not or something is an error, 2 not reached or wrong usage.
    """
    options = probing.Options(
        url=_address(url),
        seconds=timeout,
        headers=dict(_header(text) for text in header or ()),
        ca_file=str(ca_file or ""),
        browser_origin=_origin(browser_origin),
        active=active,
        register=register,
    )
    try:
        report = asyncio.run(probing.probe(options))
    except OSError as error:
        raise typer.BadParameter(
            f"{ca_file}: {error.strerror or 'holds no certificate'}", param_hint="--ca-file"
        ) from None
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_report(lambda console: probing.print_report(report, console))
    raise typer.Exit(report.exit_code)


def _address(url: str) -> str:
    if not is_url(url) or "@" in urlsplit(url).netloc:
        raise typer.BadParameter("must be an http:// or https:// URL without a user name", param_hint="URL")
    return url.partition("#")[0]


def _header(text: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(text)
    if found is None:
        raise typer.BadParameter("must be `Name: value`", param_hint="--header")
    return found[1], found[2]


def _origin(text: str) -> str:
    if text and (not is_url(text) or origin(text) != text):
        raise typer.BadParameter(
            "must be what browsers send, such as https://app.example.com", param_hint="--browser-origin"
        )
    return text
