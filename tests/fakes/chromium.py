"""A real Chromium, headless, driven over its DevTools protocol: for what only a real browser can tell.

async with running_chromium() as tab:
    await tab.open(url)
    await tab.click("button", times=2)
    await tab.settled(lambda: "/cb?" in tab.visited[-1])

As a program it fails when there is no Chromium, and says what to do.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "There is no Chromium on this machine: apt-get install chromium"
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
    "--window-size=1280,1200",
)
_SECONDS = 30


class Tab:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._loaded: set[str] = set()
        self.visited: list[str] = []
        """Every document that was asked for, redirects included."""
        self.status = 0
        """Of the last document that came."""
        self.complaints: list[str] = []
        """What the console said: blocked by policy, and the like."""

    async def listen(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Network.requestWillBeSent" and said["params"].get("type") == "Document":
                self.visited.append(said["params"]["request"]["url"])
            elif said["method"] == "Network.responseReceived" and said["params"]["type"] == "Document":
                self.status = said["params"]["response"]["status"]
            elif said["method"] == "Page.lifecycleEvent" and said["params"]["name"] == "load":
                self._loaded.add(said["params"]["loaderId"])
            elif said["method"] == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])

    async def tell(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        return (await asyncio.wait_for(answer, _SECONDS)).get("result", {})

    async def evaluate(self, expression: str) -> Any:
        answer = await self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer.get("result", {}).get("value")

    async def open(self, url: str) -> None:
        self.visited.clear()
        self.complaints.clear()
        answer = await self.tell("Page.navigate", url=url)
        assert "errorText" not in answer, answer
        await self.settled(lambda: answer["loaderId"] in self._loaded)

    async def back(self) -> None:
        """The back button."""
        history = await self.tell("Page.getNavigationHistory")
        entry = history["entries"][history["currentIndex"] - 1]
        await self.tell("Page.navigateToHistoryEntry", entryId=entry["id"])

    async def click(self, selector: str, *, times: int = 1) -> None:
        middle = f"(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelector('{selector}')"
        x, y = await self.evaluate(f"{middle}.getBoundingClientRect())")
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                await self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    async def press(self, *keys: str) -> None:
        for key in keys:
            code = {"Tab": 9, "Enter": 13}[key]
            text = {"text": "\r"} if key == "Enter" else {}
            for kind, more in (("keyDown", text), ("keyUp", {})):
                await self.tell(
                    "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more
                )

    async def until(self, expression: str) -> None:
        """Waits for the page, or the one that replaces it, to say so."""
        async with asyncio.timeout(_SECONDS):
            while await self.evaluate(expression) is not True:  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.02)

    async def settled(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not condition():  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.02)


@asynccontextmanager
async def running_chromium(*switches: str) -> AsyncIterator[Tab]:
    async with running_tabs(1, *switches) as [tab]:
        yield tab


@asynccontextmanager
async def running_tabs(count: int, *switches: str) -> AsyncIterator[list[Tab]]:
    """Tabs of one browser: they share its cookies."""
    if CHROMIUM is None:
        pytest.fail(MISSING, pytrace=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, *_QUIET, *switches, f"--user-data-dir={profile}", stdout=null, stderr=null
        )
        try:
            async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
                tabs = [await _opened(session, Path(profile) / "DevToolsActivePort") for _ in range(count)]
                listening = [tasks.create_task(tab.listen()) for tab in tabs]
                for tab in tabs:
                    for domain in ("Page", "Network", "Log", "Runtime"):
                        await tab.tell(f"{domain}.enable")
                    await tab.tell("Page.setLifecycleEventsEnabled", enabled=True)
                    await tab.tell("Emulation.setFocusEmulationEnabled", enabled=True)
                yield tabs
                for task in listening:
                    task.cancel()
        finally:
            process.terminate()
            await process.wait()


async def _opened(session: aiohttp.ClientSession, told: Path) -> Tab:
    async with asyncio.timeout(_SECONDS):
        while not _text(told):  # noqa: ASYNC110 - a file that another process writes
            await asyncio.sleep(0.05)
    port = _text(told).split()[0]
    async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as response:
        page = await response.json()
    return Tab(await session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0))


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(CHROMIUM is None and MISSING)
