"""What of a pool can be named on the command line, as options and as the admin API takes it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sidecar.settings.errors import Problem, SettingsError

_LARGEST = 64 * 1024
_ENDPOINTS = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "revoke": "revocation_endpoint",
    "userinfo": "userinfo_endpoint",
    "jwks": "jwks_uri",
}

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As the servers of the configuration name it.")]
ClientIdOption = Annotated[
    str | None, typer.Option("--client-id", help="Of the app at the provider. By default the pool registers itself.")
]
SecretOption = Annotated[
    Path | None, typer.Option("--client-secret-file", help="Holds the app's secret; - for standard input.")
]
ScopesOption = Annotated[str | None, typer.Option("--scopes", help="What to ask the provider for, blanks between.")]
EndpointOption = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint", metavar="KIND=URL", help=f"Where there is no discovery; KIND is one of {', '.join(_ENDPOINTS)}."
    ),
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Sent along to the provider's sign-in page; may be repeated."),
]
AuthOption = Annotated[
    str | None,
    typer.Option("--token-auth", help="basic, basic_raw, post or none, where the provider's own way is not right."),
]
CaOption = Annotated[
    str | None, typer.Option("--ca-file", help="A private CA: an absolute path, the same on every replica.")
]
ProxyOption = Annotated[str | None, typer.Option("--proxy", help="An egress proxy: http:// or https:// URL.")]
NotBeforeOption = Annotated[
    int | None, typer.Option("--clients-not-before", help="Clients that registered earlier (Unix seconds) are unknown.")
]

IssuersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-issuer",
        metavar="URL",
        help="Without --client-id: an authorization server that the pool may register with; may be repeated.",
    ),
]
InitialTokenOption = Annotated[
    Path | None,
    typer.Option(
        "--initial-access-token-file", help="Without --client-id: holds what the provider wants to see for that."
    ),
]


def members(
    given: Mapping[str, Any],
    *,
    scopes: str | None,
    endpoints: Sequence[str] | None,
    params: Sequence[str] | None,
    secret_file: Path | None,
    issuers: Sequence[str] | None,
    initial_token_file: Path | None,
) -> dict[str, Any]:
    """What was named. Raises SettingsError."""
    found = {key: value for key, value in given.items() if value is not None}
    if scopes is not None:
        found["scopes"] = scopes.split()
    for kind, url in _pairs("--endpoint", endpoints or ()).items():
        if kind not in _ENDPOINTS:
            raise SettingsError([Problem("--endpoint", f"{kind} is none; there is: {', '.join(_ENDPOINTS)}")])
        found[_ENDPOINTS[kind]] = url
    if params is not None:
        found["authorize_params"] = _pairs("--param", params)
    if secret_file is not None:
        found["client_secret"] = _secret("--client-secret-file", secret_file)
    registration: dict[str, Any] = {} if issuers is None else {"allowed_issuers": issuers}
    if initial_token_file is not None:
        registration["initial_access_token"] = _secret("--initial-access-token-file", initial_token_file)
    return {**found, "registration": registration} if registration else found


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not name or not mark for name, mark, _ in pairs):
        raise SettingsError([Problem(option, "must be a name, = and a value")])
    return {name: value for name, _, value in pairs}


def _secret(option: str, file: Path) -> str:
    try:
        text = sys.stdin.read(_LARGEST) if str(file) == "-" else file.read_text(encoding="utf-8")[:_LARGEST]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(option, f"{file} cannot be read: {error}")]) from error
    found = text.rstrip("\r\n")
    if not found:
        raise SettingsError([Problem(option, f"{file} is empty")])
    return found
