"""What every Python program here shares: its errand, its file of credentials, the browser, and how it answers.

Runs in the environments of the clients, so it knows nothing of this repository. `sys.path[0]` is this folder.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

errand: dict[str, Any] = json.loads(sys.argv[1])
_file = Path(errand["state"])


def load(name: str) -> Any:
    return json.loads(_file.read_text()).get(name) if _file.exists() else None


def save(name: str, value: Any) -> None:
    before = json.loads(_file.read_text()) if _file.exists() else {}
    _file.write_text(json.dumps({**before, name: value}))


async def browse(url: str) -> dict[str, str]:
    """The parameters with which the person's browser came back."""
    pipe = asyncio.subprocess.PIPE
    browser = await asyncio.create_subprocess_exec(os.environ["BROWSER"], url, errand["redirect"], stdout=pipe)
    out, _ = await browser.communicate()
    if browser.returncode:
        raise SystemExit("the person was shown a page and did not come back")
    return dict(parse_qsl(urlsplit(out.decode().strip()).query))


async def answer(call: Callable[[], Awaitable[Any]], tools: Callable[[], Awaitable[list[str]]]) -> None:
    """Run the steps and print what came of each."""
    results: list[Any] = []
    for step in errand["steps"]:
        if step == "list":
            results.append(await tools())
        elif step == "call":
            results.append(await call())
        elif step == "three":
            results.append(await asyncio.gather(call(), call(), call()))
        else:
            results.append(await asyncio.sleep(float(step.removeprefix("wait:"))))
    print(json.dumps(results))  # noqa: T201 - to the test
