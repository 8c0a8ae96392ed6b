"""The image as `make image` builds it with buildah, on a Debian of this machine's own making; its entrypoint at work.

The base takes a minute to make, so it is kept in build/. What runs has a root file system that cannot be written, no
name for its user, no capability, and is process 1: as in a pod.
"""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_BASE = ROOT / "build" / "python-base.tar"
_PACKAGES = "python3,python3-venv,ca-certificates"
_CA = "/etc/ssl/certs/ca-certificates.crt"
_USER = "65532"


@dataclass(frozen=True)
class Built:
    name: str
    environ: Mapping[str, str]
    inspected: dict[str, Any]
    root: Path
    """Its file system."""
    log: str

    @property
    def command(self) -> list[str]:
        return [*self.inspected["Entrypoint"], *self.inspected["Cmd"]]

    @property
    def variables(self) -> dict[str, str]:
        return dict(each.split("=", 1) for each in self.inspected["Env"])

    def script(self, command: list[str], mounts: Mapping[Path, str]) -> str:
        """For a shell in namespaces of its own."""
        root = shlex.quote(str(self.root))
        given = [f"{name}={value}" for name, value in self.variables.items()]
        lines = [
            f"mount --bind {root} {root}",
            f"mount -o remount,bind,ro {root}",
            f"mount -t tmpfs -o uid={_USER},mode=0700 tmpfs {root}/run",
            *(f"mount --bind {shlex.quote(str(here))} {root}{there}" for here, there in mounts.items()),
            f"cd {root}",
            f"exec chroot --userspec={_USER}:{_USER} --groups= {root} /usr/bin/env -i {shlex.join([*given, *command])}",
        ]
        return "\n".join(["set -e", *lines])

    def run(self, *command: str, mounts: Mapping[Path, str] | None = None) -> subprocess.CompletedProcess[str]:
        script = self.script([*command], mounts or {})
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120, check=False
        )

    @contextlib.asynccontextmanager
    async def running(self, mounts: Mapping[Path, str]) -> AsyncIterator["Running"]:
        """Its entrypoint with its command, as process 1."""
        script = self.script(self.command, mounts)
        outer = await asyncio.create_subprocess_exec(
            *("unshare", "--mount", "--pid", "--fork", "sh", "-c", script),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            yield Running(outer)
        finally:
            if outer.returncode is None:  # a change of user has untied the two, so the inner one is told
                os.kill(Running(outer).pid, signal.SIGKILL)
                await outer.communicate()


@dataclass(frozen=True)
class Running:
    outer: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """As seen from outside."""
        return int(Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()[0])

    def memory(self) -> int:
        """Bytes that it has for itself and shares, resident."""
        (line,) = (each for each in Path(f"/proc/{self.pid}/status").read_text().splitlines() if "VmRSS" in each)
        return int(line.split()[1]) * 1024


@contextlib.contextmanager
def built(folder: Path, flavour: str = "sidecar") -> Iterator[Built]:
    """Raises CalledProcessError, which holds what the builder said."""
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    )
    environ = {**os.environ, "BUILDAH_ISOLATION": "chroot", "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}
    environ |= {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
    name = f"localhost/dcr-sidecar:{flavour}"
    _base(environ)
    flags = "--network host"
    if Path(_CA).exists():  # where a proxy with a CA of its own is the way out
        flags += f" --volume {_CA}:{_CA}:ro --build-arg PIP_CERT={_CA}"
    log = _said(
        *("make", "image", "BUILDER=buildah", "BASE_IMAGE=localhost/python-base", f"IMAGE={name}"),
        *(f"FLAVOUR={flavour}", f"IMAGE_FLAGS={flags}"),
        environ=environ,
    )
    container = _said("buildah", "from", "--pull-never", name, environ=environ).strip()
    inspected = json.loads(_said("buildah", "inspect", container, environ=environ))["Docker"]["config"]
    root = Path(_said("buildah", "mount", container, environ=environ).strip())
    try:
        yield Built(name, environ, inspected, root, log)
    finally:
        _said("buildah", "rm", container, environ=environ)


def _base(environ: Mapping[str, str]) -> None:
    if not _BASE.exists():
        _BASE.parent.mkdir(exist_ok=True)
        made = _BASE.with_name("python-base")
        shutil.rmtree(made, ignore_errors=True)
        _said("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(made), environ=environ)
        _said("tar", "-C", str(made), "--exclude=./var/cache", "-cf", f"{_BASE}.new", ".", environ=environ)
        shutil.rmtree(made)
        Path(f"{_BASE}.new").rename(_BASE)
    container = _said("buildah", "from", "scratch", environ=environ).strip()
    _said("buildah", "add", "--quiet", container, str(_BASE), "/", environ=environ)
    _said("buildah", "commit", "--quiet", "--rm", container, "localhost/python-base", environ=environ)


def _said(*command: str, environ: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout
