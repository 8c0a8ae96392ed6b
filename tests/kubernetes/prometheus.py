"""A real Prometheus that scrapes one sidecar, with the chart's rules, and is asked as Grafana asks it."""

import asyncio
import math
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.flows.running import eventually, free_port

BINARY = shutil.which("prometheus")
MISSING = "these tests need Prometheus: apt-get install prometheus"
LABELS = {"namespace": "tools", "pod": "notes-0"}
JOB = "notes"
_SECONDS = 30


@dataclass(frozen=True)
class Prometheus:
    url: str
    session: aiohttp.ClientSession

    async def ask(self, path: str, **fields: str) -> Any:
        """The answer's `data`. Fails on what Prometheus calls an error."""
        async with self.session.post(f"{self.url}/api/v1/{path}", data=fields) as response:
            answer = await response.json()
        assert answer["status"] == "success", f"{fields}: {answer}"
        return answer["data"]

    async def values(self, expression: str) -> list[float]:
        """One for each series, now; those that are not a number are none."""
        found = [float(sample["value"][1]) for sample in (await self.ask("query", query=expression))["result"]]
        return [value for value in found if not math.isnan(value)]

    async def rules(self) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/api/v1/rules") as response:
            groups = (await response.json())["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@asynccontextmanager
async def prometheus(folder: Path, target: str, rules: Sequence[Path]) -> AsyncIterator[Prometheus]:
    """Scrapes each second, so that a minute's traffic is enough for a rate."""
    assert BINARY, MISSING
    folder.mkdir()  # noqa: ASYNC240 - a test's own folder
    scrape = {"job_name": JOB, "static_configs": [{"targets": [target], "labels": LABELS}]}
    timing = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": timing, "rule_files": [str(path) for path in rules], "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    arguments = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (folder / "log").open("wb") as log:
        options = [f"--{name}={value}" for name, value in arguments.items()]
        process = await asyncio.create_subprocess_exec(BINARY, *options, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as session:
            server = Prometheus(f"http://127.0.0.1:{port}", session)
            await eventually(lambda: _ready(server, process, folder / "log"), _SECONDS)
            yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(server: Prometheus, process: asyncio.subprocess.Process, log: Path) -> bool:
    assert process.returncode is None, log.read_text()  # noqa: ASYNC240
    try:
        async with server.session.get(f"{server.url}/-/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False
