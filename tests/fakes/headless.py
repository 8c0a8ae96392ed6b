"""What `webbrowser` starts in tests: approves, signs in, and follows the last redirect to the client that listens.

BROWSER="python -m tests.fakes.headless alice %s &"
"""

import asyncio
import sys

from tests.fakes.browser import Browser


async def main(login: str, url: str) -> None:
    async with Browser() as browser:
        idp = await browser.press(await browser.open(url), "continue")
        await browser.press(idp, login)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
