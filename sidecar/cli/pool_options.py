"""What of a pool can be named on the command line: the options, once, and what the admin API is sent for them."""

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from sidecar.cli.admin_client import AdminError
from sidecar.pools.fields import LARGEST_CA
from sidecar.settings.errors import Problem, SettingsError

_ENDPOINTS = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "revoke": "revocation_endpoint",
    "userinfo": "userinfo_endpoint",
    "jwks": "jwks_uri",
}

_OPTIONS = {
    "client_secret": "--client-secret-file",
    "registration.initial_access_token": "--initial-access-token-file",
    "registration.allowed_issuers": "--allowed-issuer",
    **{member: f"--endpoint {kind}=URL" for kind, member in _ENDPOINTS.items()},
    "authorize_params": "--param",
    "ca": "--ca-file",
    "id": "--id",
    **{name: f"--{name.replace('_', '-')}" for name in ("provider", "issuer", "client_id", "token_auth", "scopes")},
    "proxy": "--proxy",
}
"""By what the admin API calls them."""
_MEMBER = re.compile(rf"(?:^|(?<=; ))({'|'.join(map(re.escape, _OPTIONS))})(?=(\.\d+)?: )")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As the servers of the configuration name it.")]

_ClientId = Annotated[
    str | None, typer.Option("--client-id", help="Of the app at the provider. By default the pool registers itself.")
]
_Secret = Annotated[
    Path | None, typer.Option("--client-secret-file", help="Holds the app's secret; - for standard input.")
]
_Issuers = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-issuer",
        metavar="URL",
        help="Without --client-id: an authorization server that the pool may register with; may be repeated.",
    ),
]
_InitialToken = Annotated[
    Path | None,
    typer.Option(
        "--initial-access-token-file", help="Without --client-id: holds what the provider wants to see for that."
    ),
]
_Scopes = Annotated[str | None, typer.Option("--scopes", help="What to ask the provider for, blanks between.")]
_Endpoint = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint", metavar="KIND=URL", help=f"Where there is no discovery; KIND is one of {', '.join(_ENDPOINTS)}."
    ),
]
_Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Sent along to the provider's sign-in page; may be repeated."),
]
_Auth = Annotated[
    str | None,
    typer.Option("--token-auth", help="basic, basic_raw, post or none, where the provider's own way is not right."),
]
_Ca = Annotated[
    str | None,
    typer.Option(
        "--ca-file", metavar="FILE", help="PEM: the provider's private CA, kept with the pool. '' for the public ones."
    ),
]
_Proxy = Annotated[
    str | None, typer.Option("--proxy", metavar="URL", help="An egress proxy, http://host:port. '' for none.")
]
_ProxyFile = Annotated[
    Path | None,
    typer.Option("--proxy-file", help="Holds the URL of one with a password, http://user:password@host:port."),
]
_NotBefore = Annotated[
    int | None, typer.Option("--clients-not-before", help="Clients that registered earlier (Unix seconds) are unknown.")
]


def members(
    *,
    client_id: _ClientId = None,
    client_secret_file: _Secret = None,
    allowed_issuer: _Issuers = None,
    initial_access_token_file: _InitialToken = None,
    scopes: _Scopes = None,
    endpoint: _Endpoint = None,
    param: _Param = None,
    token_auth: _Auth = None,
    ca_file: _Ca = None,
    proxy: _Proxy = None,
    proxy_file: _ProxyFile = None,
    clients_not_before: _NotBefore = None,
) -> dict[str, Any]:
    """Of a pool, as the admin API takes them, what was named. Raises SettingsError."""
    registration = {
        "allowed_issuers": allowed_issuer,
        "initial_access_token": _secret("--initial-access-token-file", initial_access_token_file),
    }
    found = {
        "client_id": client_id,
        "client_secret": _secret("--client-secret-file", client_secret_file),
        "registration": _given(registration) or None,
        "scopes": None if scopes is None else scopes.split(),
        **_endpoints(endpoint or ()),
        "authorize_params": None if param is None else _pairs("--param", param),
        "token_auth": token_auth,
        "ca": _text("--ca-file", Path(ca_file)) if ca_file else ca_file,
        "proxy": _proxy(proxy, proxy_file),
        "clients_not_before": clients_not_before,
    }
    return _given(found)


def taking_members(command: Callable[..., None]) -> Callable[..., None]:
    """A command with all options of `members`, which gets what they name as `found`. Typer reads the signature.

    What the admin API refuses is said of them, too.
    """
    own, shared = inspect.signature(command).parameters, inspect.signature(members).parameters

    @wraps(command)
    def taking(**given: Any) -> None:
        named = {name: given.pop(name) for name in shared}
        try:
            command(**given, found=members(**named))
        except AdminError as error:
            raise AdminError(in_options(str(error))) from error

    parameters = []
    for name, parameter in own.items():
        parameters += list(shared.values()) if name == "found" else [parameter]
    taking.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # a function may have one
    taking.__annotations__ = {each.name: each.annotation for each in parameters}
    return taking


def in_options(text: str) -> str:
    """What the admin API says of members, said of the options that name them."""
    return _MEMBER.sub(lambda found: _OPTIONS[found[1]], text)


def _given(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _endpoints(texts: Sequence[str]) -> dict[str, str]:
    pairs = _pairs("--endpoint", texts)
    for kind in pairs:
        if kind not in _ENDPOINTS:
            raise SettingsError([Problem("--endpoint", f"{kind} is none; there is: {', '.join(_ENDPOINTS)}")])
    return {_ENDPOINTS[kind]: url for kind, url in pairs.items()}


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if any(not name or not mark for name, mark, _ in pairs):
        raise SettingsError([Problem(option, "must be a name, = and a value")])
    return {name: value for name, _, value in pairs}


def _proxy(url: str | None, file: Path | None) -> str | None:
    if url is not None and file is not None:
        raise SettingsError([Problem("--proxy", "is given twice; leave it or --proxy-file out")])
    if url is not None and "@" in url:
        text = "holds a user and password, which others on this machine can see here; put it into a --proxy-file"
        raise SettingsError([Problem("--proxy", text)])
    return url if file is None else _secret("--proxy-file", file)


def _secret(option: str, file: Path | None) -> str | None:
    if file is None:
        return None
    found = _text(option, file).rstrip("\r\n")
    if not found:
        raise SettingsError([Problem(option, f"{_named(file)} is empty")])
    return found


def _text(option: str, file: Path) -> str:
    try:
        if str(file) == "-":
            found = sys.stdin.read(LARGEST_CA + 1)
        else:
            with file.open(encoding="utf-8") as opened:
                found = opened.read(LARGEST_CA + 1)
    except OSError as error:
        raise SettingsError([Problem(option, f"{file} cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([Problem(option, f"{_named(file)} is not UTF-8 text")]) from error
    if len(found) > LARGEST_CA:
        raise SettingsError([Problem(option, f"{_named(file)} is larger than {LARGEST_CA // 1024} KiB")])
    return found


def _named(file: Path) -> str:
    return "standard input" if str(file) == "-" else str(file)
