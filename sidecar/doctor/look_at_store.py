"""What a store says of itself, asked with questions that change nothing. Judges are in `store`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from sidecar.clock import Clock, Monotonic
from sidecar.doctor.deployment import StoreAddress
from sidecar.doctor.permissions import ANY_CHANNEL, ANY_KEY, COMMANDS, WAIT
from sidecar.doctor.seen import StoreSeen
from sidecar.store.base import StoreError
from sidecar.store.redis import EMBEDDED, RedisStore, open_store

PATIENCE_MS = 3000
"""Longer than what serving allows: a slow store is to be examined too."""
_PINGS = 5
_SOCKET = "valkey.sock"
_LONGEST_SOCKET = 100

_ASK_ACL = """
if not redis.acl_check_cmd then return {'?'} end
local denied = {}
for _, command in ipairs(cjson.decode(ARGV[1])) do
  if not redis.acl_check_cmd(unpack(command)) then denied[#denied + 1] = command[1] end
end
return denied
"""


class NotRunning(Exception):
    """Nobody has started the embedded store; or, if it is `hidden`, somebody may have, and it is not seen from here."""

    def __init__(self, *, hidden: bool) -> None:
        super().__init__("the sidecar that starts it does not run")
        self.hidden = hidden


def reachable(address: StoreAddress) -> str:
    """Its URL, for who starts nothing. Raises NotRunning."""
    if not address.url.startswith(EMBEDDED):
        return address.url
    socket = Path(address.url.removeprefix(EMBEDDED)) / _SOCKET
    if not socket.exists():
        raise NotRunning(hidden=(socket.parent / "lock").exists() and len(str(socket).encode()) > _LONGEST_SOCKET)
    return f"unix://{quote(str(socket))}"


async def look(address: StoreAddress, *, clock: Clock, monotonic: Monotonic) -> StoreSeen:
    """Starts nothing: an embedded store runs with its sidecar, or does not."""
    embedded = address.url.startswith(EMBEDDED)
    try:
        url = reachable(address)
    except NotRunning as error:
        return StoreSeen(embedded=True, hidden=error.hidden, fault=str(error))
    async with open_store(url, prefix=address.prefix, timeout_ms=PATIENCE_MS) as store:
        try:
            first = await _timed(store, monotonic)
            pings = sorted([await _timed(store, monotonic) for _ in range(_PINGS)])
        except StoreError as error:
            return StoreSeen(embedded=embedded, fault=str(error))
        seen = StoreSeen(embedded=embedded, first_ms=first, ping_ms=pings[_PINGS // 2])
        return await _further(store, seen, address, clock)


async def _further(store: RedisStore, seen: StoreSeen, address: StoreAddress, clock: Clock) -> StoreSeen:
    info = await _asked(store, "INFO")
    save = await _asked(store, "CONFIG GET", "save")
    cluster = await _asked(store, "CLUSTER INFO") if isinstance(info, dict) and info.get("cluster_enabled") else None
    before, time = clock(), await _asked(store, "TIME")
    denied, known = await _denied(store, address)
    return replace(
        seen,
        info=info if isinstance(info, dict) else {},
        save=_setting(save),
        cluster=_fields(cluster),
        denied=denied,
        acl_known=known,
        ahead=float(time[0]) - before if isinstance(time, tuple | list) else None,
    )


async def _timed(store: RedisStore, monotonic: Monotonic) -> float:
    started = monotonic()
    await store.ping()
    return (monotonic() - started) * 1000


async def _asked(store: RedisStore, *words: str) -> object:
    try:
        return await store.link.command(*words)
    except StoreError:
        return None


async def _denied(store: RedisStore, address: StoreAddress) -> tuple[tuple[str, ...], bool]:
    """The commands that the store's user may not run, and whether that could be told."""
    key, channel = f"{address.prefix}:doctor", f"{address.prefix}:news"
    wanted: Sequence[tuple[str, ...]] = (*COMMANDS, WAIT) if address.wait_replicas else COMMANDS
    filled = [[{ANY_KEY: key, ANY_CHANNEL: channel}.get(word, word) for word in command] for command in wanted]
    try:
        answer = await store.link.command("EVAL", _ASK_ACL, 1, key, json.dumps(filled))
    except StoreError as error:
        # Without scripts nothing works at all.
        return (("EVAL",), True) if "may not" in str(error) or "credentials" in str(error) else ((), False)
    names = tuple(name.decode() for name in answer)
    return ((), False) if names == ("?",) else (names, True)


def _setting(answer: object) -> str | None:
    """CONFIG GET's value, whichever form the client gives it."""
    values = list(answer.values()) if isinstance(answer, dict) else answer[1::2] if isinstance(answer, list) else []
    if len(values) != 1:
        return None
    return values[0].decode() if isinstance(values[0], bytes) else str(values[0])


def _fields(answer: object) -> Mapping[str, str]:
    if isinstance(answer, dict):
        return {_text(name): _text(value) for name, value in answer.items()}
    if not isinstance(answer, bytes | str):
        return {}
    lines = (line.partition(":") for line in _text(answer).splitlines())
    return {name: value for name, colon, value in lines if colon}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
