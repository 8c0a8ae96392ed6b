"""`make bench`: what a decision costs, as multiples of an aiohttp handler that does nothing, all in one run.

Absolute times are this machine's and of no interest; ratios are the sidecar's. Rounds of all cases alternate, and the
median of each case's rounds is shown, so that a busy moment hits every case alike.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

CONNECTIONS = 16
REQUESTS = 4000
"""A round's, over all connections."""
ROUNDS = 7


@dataclass(frozen=True)
class Case:
    name: str
    socket: str
    token: str
    status: int

    @property
    def request(self) -> bytes:
        head = f"POST /check/mcp HTTP/1.1\r\nHost: mcp.example.com\r\nAuthorization: Bearer {self.token}\r\n"
        return (head + "x-request-id: 0\r\nContent-Length: 0\r\n\r\n").encode()


async def one_connection(case: Case, folder: Path, count: int) -> None:
    reader, writer = await asyncio.open_unix_connection(str(folder / case.socket))
    expected = f"HTTP/1.1 {case.status} ".encode()
    for _ in range(count):
        writer.write(case.request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(expected):
            raise RuntimeError(f"{case.name}: {head.splitlines()[0].decode()}")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


async def measure(case: Case, folder: Path) -> float:
    """Seconds per request."""
    started = time.perf_counter()
    await asyncio.gather(*(one_connection(case, folder, REQUESTS // CONNECTIONS) for _ in range(CONNECTIONS)))
    return (time.perf_counter() - started) / REQUESTS


async def rounds(cases: list[Case], folder: Path, console: Console) -> dict[str, float]:
    times: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(ROUNDS + 1):
        console.print(f"round {number} of {ROUNDS}{' (warming up)' if number == 0 else ''}", style="dim")
        for case in cases:
            seconds = await measure(case, folder)
            if number:
                times[case.name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "tests.bench.server", name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            token = json.loads(server.stdout.readline())["token"]
            # The last character of the secret changed: the same length, a wrong MAC.
            forged = token[:-1] + ("A" if token[-1] != "A" else "B")
            cases = [
                Case("a handler that does nothing", "floor", token, 200),
                Case("refused: forged token", "check", forged, 401),
                Case("allowed: remembered", "check", token, 200),
                Case("allowed: read from the store", "reading", token, 200),
                Case("identity: remembered", "asserting", token, 200),
                Case("identity: read and signed", "signing", token, 200),
            ]
            medians = asyncio.run(rounds(cases, folder, console))
            server.communicate("")
    floor = medians[cases[0].name]
    table = Table("case", "cost of a request, in floors", "requests in the time of one floor")
    for case in cases:
        ratio = medians[case.name] / floor
        table.add_row(case.name, f"{ratio:.2f}", f"{1 / ratio:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
