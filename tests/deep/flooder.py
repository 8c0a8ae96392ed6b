"""Registers the same client again and again, from one address, in a process of its own; prints what came back.

    python -m tests.deep.flooder PORT SOURCE NUMBER CONNECTIONS

Keep-alive connections that each wait for their answer: bare HTTP/1.1, so that little of the machine goes to asking.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

BODY = json.dumps(
    {
        "client_name": "Flood",
        "redirect_uris": ["http://127.0.0.1:33418/callback"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    }
).encode()


@dataclass
class Flood:
    port: int
    source: str
    left: int
    statuses: Counter[str] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    without_retry_after: int = 0

    async def connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source, 0))
        head = f"POST /register HTTP/1.1\r\nHost: localhost:{self.port}\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
        while self.left > 0:
            self.left -= 1
            writer.write(request)
            self._count(*await _answer(reader))
        writer.close()

    def _count(self, head: bytes, body: bytes) -> None:
        status = head.split(maxsplit=2)[1].decode()
        self.statuses[status] += 1
        if status == "201":
            self.ids.add(json.loads(body)["client_id"])
        elif not re.search(rb"\r\nretry-after: [1-9]\d*\r\n", head, re.IGNORECASE):
            self.without_retry_after += 1


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head, re.IGNORECASE)
    assert length, head
    return head, await reader.readexactly(int(length[1]))


async def main(port: int, source: str, number: int, connections: int) -> None:
    flood, started = Flood(port, source, number), time.monotonic()
    await asyncio.gather(*(flood.connection() for _ in range(connections)))
    told = {
        "seconds": time.monotonic() - started,
        "statuses": flood.statuses,
        "ids": len(flood.ids),
        "without_retry_after": flood.without_retry_after,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
