"""What clients start as the browser: a person who approves, signs in as `alice` and writes down every page.

As a program: `python -m tests.interop.person JOURNAL URL [UNTIL]`. It follows the last redirect to the client that
listens; with UNTIL it stops in front of that URL and prints where it was sent. A page that is no consent page ends it
with status 1: what it said is in the journal.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.fakes.browser import Browser, Page

LOGIN = "alice"
CONTINUE = "continue"
TRIES = 4


def pages(journal: Path) -> list[dict[str, Any]]:
    """What the person saw so far, oldest first."""
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


async def browse(journal: Path, url: str, until: str = "") -> int:
    async with Browser(*([until] if until else [])) as browser:
        consent = await _insisting(journal, lambda: browser.open(url))
        if consent.status != 200 or not any(CONTINUE in b.text.lower() for f in consent.forms for b in f.buttons):
            print(f"{consent.status} at {consent.url}: {consent.text[-1500:]}", file=sys.stderr)  # noqa: T201
            return 1
        idp = await _insisting(journal, lambda: browser.press(consent, CONTINUE))
        end = await _insisting(journal, lambda: browser.press(idp, LOGIN))
        if until:
            print(end.url)  # noqa: T201 - to the client
        return 0


async def _insisting(journal: Path, step: Callable[[], Awaitable[Page]]) -> Page:
    """Reloads a page that asks for it, as one does when a part did not answer: here all share a busy machine."""
    for tries_left in reversed(range(TRIES)):
        page = await step()
        _note(journal, page)
        if page.status != HTTPStatus.SERVICE_UNAVAILABLE or not tries_left:
            break
        await asyncio.sleep(1)
    return page


def _note(journal: Path, page: Page) -> None:
    with journal.open("a") as out:
        out.write(json.dumps({"url": page.url, "status": page.status, "text": page.text}) + "\n")


if __name__ == "__main__":
    sys.exit(asyncio.run(browse(Path(sys.argv[1]), *sys.argv[2:])))
