"""Where `make test-interop` put the clients, and which versions its lock files name."""

import json
import re
import shutil
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
_NODE = ROOT / "build/interop/node"
MODULES = _NODE / "node_modules"
EVERYTHING = ROOT / "build/interop/everything/examples/servers/everything-server"


@cache
def node() -> str:
    """The Node.js that npm installed beside the clients, else the machine's."""
    found = MODULES / ".bin/node"
    return str(found) if found.exists() else (shutil.which("node") or "node")


def program(package: str, path: str) -> str:
    """A file of an npm package."""
    return str(MODULES / package / path)


def python(environment: str) -> str:
    """The interpreter of one client's own environment; "" for ours."""
    folder = ROOT / (f".venv-interop-{environment}" if environment else ".venv")
    return str(folder / "bin/python")


@cache
def npm_version(package: str) -> str:
    lock = json.loads((HERE / "node/package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{package}"]["version"])


@cache
def python_version(package: str, lock: str) -> str:
    (found,) = re.findall(rf"^{package}==(\S+)", (ROOT / f"requirements/{lock}.lock").read_text(), re.MULTILINE)
    return str(found)
