"""How commands ask a running sidecar: its admin API, found by the configuration or named on the command line.

Owns no operation. What the API refuses is told in its own words.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import aiohttp
import orjson
import typer

from sidecar.cli.configuration import load
from sidecar.cli.output import warn
from sidecar.settings.binds import Bind
from sidecar.settings.errors import Problem, SettingsError

_SECONDS = 60
_REFUSED, _NOT_OPERATOR = 400, 401
_UNIX = "unix:"
_LARGEST = 4096

AdminOption = Annotated[
    str,
    typer.Option(
        "--admin",
        envvar="DCR_SIDECAR_ADMIN_URL",
        metavar="URL",
        help="A sidecar's admin listener, such as http://127.0.0.1:9402 or unix:PATH, instead of the configuration's.",
        show_default=False,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", envvar="DCR_SIDECAR_ADMIN_TOKEN_FILE", help="With --admin: holds the admin token."),
]


class AdminError(Exception):
    """The API was not reached, or refused. The text is for people."""


@dataclass(frozen=True, slots=True)
class AdminClient:
    address: str
    """As people name it: host and port, a URL, or `unix:` and a path."""
    token: str = field(repr=False)
    seconds: float = _SECONDS
    """For one call."""

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> dict[str, Any]:
        """The answer's members; none of 204. Raises AdminError."""
        try:
            status, answer = asyncio.run(self._ask(method, path, query or {}, body))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = "is the sidecar running, and was it started with `admin.token_file`?"
            raise AdminError(f"the admin API at {self.address} does not answer: {text}") from error
        members = _members(answer)
        if members is None or (status >= _REFUSED and "error_description" not in members):
            raise AdminError(f"what answers at {self.address} is not the admin API ({status})")
        if status == _NOT_OPERATOR:
            text = "the token must be that of `admin.token_file` in the sidecar's own configuration"
            raise AdminError(f"{members['error_description']} ({status}): {text}")
        if status >= _REFUSED:
            raise AdminError(f"{members['error_description']} ({status})")
        return members

    def pages(self, path: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Every page of a list, one after the other."""
        after = ""
        while True:
            page = self.call("GET", path, query={**query, **({"after": after} if after else {})})
            yield page
            after = page["after"]
            if not after:
                return

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: object) -> tuple[int, bytes]:
        unix = self.address.removeprefix(_UNIX) if self.address.startswith(_UNIX) else ""
        connector = aiohttp.UnixConnector(unix) if unix else aiohttp.TCPConnector()
        base = "http://localhost" if unix else self.address if "://" in self.address else f"http://{self.address}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(base, connector=connector, timeout=aiohttp.ClientTimeout(self.seconds)) as session,
            session.request(method, path, params=query, headers=headers, allow_redirects=False, json=body) as response,
        ):
            return response.status, await response.read()


def admin_client(config: Path | None, url: str = "", token_file: Path | None = None) -> AdminClient:
    """Raises SettingsError, also when the configuration has no admin API."""
    if url:
        return AdminClient(_address(url), _token(token_file))
    settings = load(config)
    if not settings.admin_token:
        text = "is not set, so there is no admin API to ask; make one with `openssl rand -hex 32`"
        raise SettingsError([Problem("admin.token_file", text)])
    return AdminClient(str(settings.listeners.admin), settings.admin_token)


def segment(text: str) -> str:
    """One part of a path: ids may be URLs."""
    return quote(text, safe="")


def _members(answer: bytes) -> dict[str, Any] | None:
    try:
        members = orjson.loads(answer or b"{}")
    except orjson.JSONDecodeError:
        return None
    return members if isinstance(members, dict) else None


def _address(url: str) -> str:
    if url.startswith(_UNIX):
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in {"http", "https"} or not host or more:
        raise SettingsError([Problem("--admin", "must be like http://127.0.0.1:9402, https://host or unix:PATH")])
    if parts.scheme == "http" and not Bind(host, port).private:
        warn(f"whoever reads along on the way to {host} has the admin token; use https")
    return f"{parts.scheme}://{parts.netloc}"


def _token(file: Path | None) -> str:
    if file is None:
        raise SettingsError([Problem("--token-file", "is needed with --admin: a file that holds the admin token")])
    try:
        token = file.read_text(encoding="utf-8")[:_LARGEST].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([Problem("--token-file", f"{file} cannot be read: {error}")]) from error
    if not token.isascii() or not token.isprintable() or not token:
        raise SettingsError([Problem("--token-file", f"{file} holds no token")])
    return token
