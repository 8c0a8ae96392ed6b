"""The clients that nobody here wrote, each as one thing that runs steps at a URL and keeps its credentials in a folder.

Steps: `list` (the tools' names), `call` (what `whoami` says), `three` (three of those at once) and `wait:SECONDS`. Each
run is a new process, as when the program is started again. Failed says what the program said. `era` is the wire version
to ask for; by default each speaks what it does when its user says nothing.
"""

import asyncio
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from mcp.client import Client as Session
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.flows.running import free_port
from tests.interop import installed
from tests.interop.person import pages

NAME = "Interop client"
REDIRECT = "http://127.0.0.1:33418/callback"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
"""Wire versions: with a session that `initialize` begins, and without one."""
_SECONDS = 60


class Failed(Exception):
    """The program ended with an error."""


@dataclass(frozen=True)
class Desk:
    """One person's machine: a home folder, and the browser that programs there start."""

    home: Path

    @classmethod
    def at(cls, home: Path) -> "Desk":
        home.mkdir()
        return cls(home)

    @property
    def journal(self) -> Path:
        return self.home / "journal"

    @property
    def pages(self) -> list[dict[str, Any]]:
        return pages(self.journal)

    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own desktop or credentials."""
        browser = self.home / "bin/xdg-open"
        if not browser.exists():
            browser.parent.mkdir(parents=True)
            command = shlex.join([sys.executable, "-m", "tests.interop.person", str(self.journal)])
            browser.write_text(
                f"#!/bin/sh\ncd {shlex.quote(str(installed.ROOT))} || exit 1\n"
                f'if [ $# -gt 1 ]; then exec {command} "$@"; fi\n'  # somebody waits for where it ends
                f'{command} "$@" </dev/null >/dev/null 2>&1 &\n'
            )
            browser.chmod(0o700)
        node = Path(installed.node()).parent
        return {
            "PATH": f"{browser.parent}:{node}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "BROWSER": str(browser),
            "NO_COLOR": "1",
            "MCP_REMOTE_CONFIG_DIR": str(self.home / "kept"),
            "MCP_STORAGE_DIR": str(self.home / "kept"),
            "MCP_INSPECTOR_SECRET_STORE": "file",
            "MCP_AUTO_OPEN_ENABLED": "true",
        }

    def kept(self, member: str) -> dict[str, Any]:
        """The one JSON object with this member that a program left behind, at any depth."""
        files = [path for path in (self.home / "kept").rglob("*") if path.is_file()]
        found = [each for path in files for each in _objects(_json(path.read_text())) if member in each]
        assert found, f"nothing kept has {member}: {files}"
        return found[-1]


class Client(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def eras(self) -> tuple[str, ...]:
        """The wire versions that it knows."""

    async def run(self, desk: Desk, url: str, *steps: str, document: str = "", era: str = "") -> list[Any]: ...


@dataclass(frozen=True)
class Program:
    """A program of `programs/`, told its errand by an argument."""

    name: str
    version: str
    command: tuple[str, ...]
    eras: tuple[str, ...]

    async def run(self, desk: Desk, url: str, *steps: str, document: str = "", era: str = "") -> list[Any]:
        kept = desk.home / "kept"
        kept.mkdir(exist_ok=True)
        errand = {"url": url, "steps": steps, "document": document, "era": era, "name": NAME, "redirect": REDIRECT}
        out = await ran([*self.command, json.dumps({**errand, "state": str(kept / "state.json")})], desk)
        return list(json.loads(out.splitlines()[-1]))


@dataclass(frozen=True)
class Remote:
    """mcp-remote, spoken to as the desktop programs do that start it: over its standard input and output.

    They speak the older wire version; asked for the newer one, it translates.
    """

    name: str
    version: str
    eras: tuple[str, ...] = (LEGACY, MODERN)

    async def run(self, desk: Desk, url: str, *steps: str, document: str = "", era: str = "") -> list[Any]:
        more = ["--client-metadata-url", document] if document else []
        more += ["--protocol", {LEGACY: "legacy", MODERN: "auto"}[era]] if era else []
        port = desk.home / "port"
        if not port.exists():
            port.write_text(str(free_port()))
        arguments = [installed.program("mcp-remote", "dist/proxy.js"), url, port.read_text(), *more]
        parameters = StdioServerParameters(command=installed.node(), args=arguments, env=desk.environment())
        said = desk.home / "mcp-remote.log"
        with said.open("a") as log:
            try:
                async with asyncio.timeout(_SECONDS), AsyncExitStack() as stack:
                    session = await stack.enter_async_context(
                        Session(stdio_client(parameters, errlog=log), mode="legacy")
                    )
                    return [await _done(session, step) for step in steps]
            except Exception as error:
                raise Failed(f"{error!r}: {said.read_text()[-3000:]}") from error


async def _done(session: Session, step: str) -> Any:
    async def call() -> Any:
        return json.loads((await session.call_tool("whoami", {})).content[0].text)

    if step == "list":
        return [tool.name for tool in (await session.list_tools()).tools]
    if step == "three":
        return await asyncio.gather(call(), call(), call())
    return await (call() if step == "call" else asyncio.sleep(float(step.removeprefix("wait:"))))


@dataclass(frozen=True)
class Inspector:
    """The Inspector's command line: each step is a process of its own, and three at once are three.

    One more step, `anew`: it is told to forget its sign-in and to revoke it; then it signs in again and calls.
    """

    name: str
    version: str
    eras: tuple[str, ...] = (LEGACY, MODERN)

    async def run(self, desk: Desk, url: str, *steps: str, document: str = "", era: str = "") -> list[Any]:
        ask = partial(self.ask, desk, url, document=document, era=era)
        results: list[Any] = []
        for step in steps:
            if step == "list":
                results.append([tool["name"] for tool in (await ask("tools/list"))["tools"]])
            elif step == "call":
                results.append(await self._whoami(ask))
            elif step == "anew":
                results.append(await self._whoami(partial(ask, more=("--relogin",))))
            elif step == "three":
                results.append(await asyncio.gather(*(self._whoami(ask) for _ in range(3))))
            else:
                results.append(await asyncio.sleep(float(step.removeprefix("wait:"))))
        return results

    async def _whoami(self, ask: Any) -> Any:
        return json.loads((await ask("tools/call", "--tool-name", "whoami"))["content"][0]["text"])

    async def ask(
        self, desk: Desk, url: str, method: str, *what: str, document: str, era: str, more: tuple[str, ...] = ()
    ) -> Any:
        port = desk.home / "port"
        if not port.exists():
            port.write_text(str(free_port()))
        options = ["--callback-url", f"http://127.0.0.1:{port.read_text()}/oauth/callback", "--format", "json"]
        options += ["--client-metadata-url", document] if document else []
        options += ["--protocol-era", {LEGACY: "legacy", MODERN: "modern"}[era]] if era else []
        launcher = installed.program("@modelcontextprotocol/inspector", "clients/launcher/build/index.js")
        command = [installed.node(), launcher, "--cli", "--server-url", url, "--transport", "http"]
        out = await ran([*command, "--method", method, *what, *options, *more], desk)
        answer = json.loads(out)
        return answer.get("result", answer)


async def ran(command: Sequence[str], desk: Desk, statuses: tuple[int | None, ...] = (0,)) -> str:
    """What it printed. Failed for another status."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, env=desk.environment(), cwd=desk.home, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise Failed(f"{command[1]} did not end in {_SECONDS} seconds") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in statuses:
        raise Failed(f"status {process.returncode}: {err.decode()[-3000:]}{out.decode()[-1000:]}")
    return out.decode()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, dict):
        return [value, *(found for each in value.values() for found in _objects(each))]
    if isinstance(value, str) and value.startswith("{"):  # some keep JSON in JSON
        return _objects(_json(value))
    return [found for each in value for found in _objects(each)] if isinstance(value, list) else []


def _typescript(name: str, package: str, file: str, *eras: str) -> Program:
    command = (installed.node(), str(installed.MODULES.parent / "programs" / file))
    return Program(name, installed.npm_version(package), command, eras)


def _python(name: str, package: str, lock: str, environment: str, file: str, *eras: str) -> Program:
    command = (installed.python(environment), str(installed.PROGRAMS / file))
    return Program(name, installed.python_version(package, lock), command, eras)


_NODE1, _NODE2 = "@modelcontextprotocol/sdk", "@modelcontextprotocol/client"
CLIENTS: tuple[Client, ...] = (
    _typescript(f"TypeScript SDK, `{_NODE1}`", _NODE1, "typescript1.mjs", LEGACY),
    _typescript(f"TypeScript SDK, `{_NODE2}`", _NODE2, "typescript2.mjs", LEGACY, MODERN),
    _python("Python SDK 1.x, `mcp`", "mcp", "interop-mcp1", "mcp1", "python1.py", LEGACY),
    _python("Python SDK 2.x, `mcp`", "mcp", "test", "", "python2.py", LEGACY, MODERN),
    _python("FastMCP client", "fastmcp", "interop-fastmcp", "fastmcp", "fastmcp_client.py", LEGACY, MODERN),
    Remote("`mcp-remote`", installed.npm_version("mcp-remote")),
    Inspector("MCP Inspector CLI", installed.npm_version("@modelcontextprotocol/inspector")),
)
