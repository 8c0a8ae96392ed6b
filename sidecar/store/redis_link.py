"""One way to the server: bounded in time and number, scripts by digest, every failure a StoreError with a fixed text.

Nothing is ever sent twice: after a lost answer nobody knows whether a script ran, so the caller decides. Only
NOSCRIPT is answered with a second try: it says that nothing ran. Owns no key and no record.
"""

import asyncio
import builtins
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Any, TypeVar

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 -- redis-py's own
    NoPermissionError,
    NoScriptError,
    RedisClusterException,
    RedisError,
    SlotNotCoveredError,
    TimeoutError,  # noqa: A004
)

from sidecar.clock import Monotonic, random_text, system_entropy, system_monotonic
from sidecar.store.base import TURNS, StoreError
from sidecar.store.codec import SCHEMA
from sidecar.store.redis_cluster import PatientCluster
from sidecar.store.redis_tls import tls_fault

Client = Redis | RedisCluster
Argument = str | bytes | int | float
T = TypeVar("T")
Observer = Callable[[str, str, str, float], None]
"""Told of each call: its kind (`command`, `script`, `confirm`), its operation (a command, a script or `wait`), its
outcome, and how many seconds it took, the wait for its turn included. Texts are from fixed sets."""

_BARRIER_MS = 1000
_TIMER_SECONDS = 0.2
"""A server looks at the end of WAIT ten times a second only."""
# Redis before 7 reports an error inside a script as text that holds the code; later ones begin with the code.
_CODES = {
    "READONLY": "the store is read-only: a replica, or a failover under way",
    "LOADING": "the store is still loading its data",
    "OOM": "the store is out of memory",
    "CLUSTERDOWN": "the store's cluster is down",
    "MASTERDOWN": "the store's primary is down",
    "MOVED": "the store is a cluster: its URL begins with redis+cluster",
    "TRYAGAIN": "the store is moving this key",
    "MISCONF": "the store cannot persist its data",
    "NOREPLICAS": "the store has too few replicas",
    "BUSY": "the store is busy with a script",
    "NOPERM": "the store's user may not do this",
}
_CODE = re.compile(rf"\b({'|'.join(_CODES)})\b")
# A sentinel's refusal reaches us as text only.
_CREDENTIALS = re.compile(r"\b(NOAUTH|WRONGPASS|AuthenticationError)\b")
_CLOSED = re.compile(r"while reading from|Connection closed by server|Connection reset")


@dataclass(frozen=True, slots=True)
class Script:
    body: str
    sha: str


def load_scripts() -> Mapping[str, Script]:
    """All scripts of the package, by name."""
    sources = {path.name: path.read_text() for path in (files(__package__) / "lua").iterdir()}
    prelude = f"local SCHEMA = '{SCHEMA}'\n" + sources.pop("prelude.lua")
    bodies = {name.removesuffix(".lua"): prelude + text for name, text in sources.items() if name.endswith(".lua")}
    # SHA-1 is how EVALSHA names a script, not a protection.
    return {name: Script(body, sha1(body.encode()).hexdigest()) for name, body in bodies.items()}  # noqa: S324


def explain(error: BaseException) -> str:
    """A fixed text for what went wrong; never the server's own words."""
    return _judged(error)[1]


def _judged(error: BaseException) -> tuple[str, str]:
    """In a word, and in a sentence."""
    code = error_code(error)
    if code:
        return code.lower(), _CODES[code]
    # redis-py wraps what went wrong while connecting.
    wrapped = any(isinstance(each, AuthenticationError | NoPermissionError) for each in (error, error.__cause__))
    if wrapped or _CREDENTIALS.search(str(error)):
        return "credentials", "the store refused our credentials"
    if fault := tls_fault(str(error)):
        return "tls", fault
    if isinstance(error, TimeoutError | builtins.TimeoutError):
        return "timeout", "the store did not answer in time"
    if isinstance(error, MasterNotFoundError):
        return "unreachable", "the store's sentinels name no primary"
    if isinstance(error, SlotNotCoveredError):
        return "uncovered", "the store's cluster does not cover this key"
    if isinstance(error, ConnectionError | RedisClusterException | OSError | AttributeError):
        closed = _CLOSED.search(str(error))
        return "unreachable", "the store closed the connection" if closed else "the store cannot be reached"
    return "error", "the store answered with an error"


def error_code(error: BaseException) -> str:
    """The server's error code, where it is one that we tell apart."""
    found = _CODE.search(f"{getattr(error, 'status_code', None) or ''} {error}")
    return found[1] if found and isinstance(error, RedisError) else ""


def unobserved(_kind: str, _operation: str, _outcome: str, _seconds: float) -> None:
    """For whom calls are nothing."""


class Link:
    """A client with limits. `wait_replicas` is what `confirmed` asks for; 0 asks for nothing."""

    def __init__(
        self,
        client: Client,
        *,
        timeout_ms: int,
        wait_replicas: int = 0,
        on_call: Observer = unobserved,
        monotonic: Monotonic = system_monotonic,
    ) -> None:
        self.name = random_text(system_entropy)
        """Tells us from other replicas."""
        self.monotonic = monotonic
        self._on_call = on_call
        self._client = client
        self._seconds = timeout_ms / 1000
        self._wait_ms = timeout_ms
        self._wait_replicas = wait_replicas
        self._permits = asyncio.Semaphore(TURNS)
        self._scripts = load_scripts()

    async def command(self, *args: Argument) -> Any:
        return await self._command("command", str(args[0]).lower(), *args)

    async def script(self, name: str, key: str, *args: Argument) -> Any:
        """Run a script on its one key."""
        script = self._scripts[name]
        try:
            return await self._command("script", name, "EVALSHA", script.sha, 1, key, *args)
        except NoScriptError:
            return await self._command("script", name, "EVAL", script.body, 1, key, *args)

    async def confirmed(self, barrier: str) -> bool:
        """Whether enough replicas hold all that was written to this key's node before.

        WAIT speaks of its own connection's writes only, so one is made first: replication is in order.
        """
        if not self._wait_replicas:
            return True
        seconds = self._seconds + self._wait_ms / 1000 + _TIMER_SECONDS
        reached = await self._bounded("confirm", "wait", seconds, lambda: self._wait(barrier))
        return reached >= self._wait_replicas

    @asynccontextmanager
    async def subscription(self, channel: str) -> AsyncIterator[PubSub]:
        """A connection of its own that hears one channel. Raises StoreError when it cannot be opened."""
        client = self._client
        if isinstance(client, RedisCluster):  # which otherwise takes a channel's node from a map that is still empty
            await self._bounded("command", "cluster", self._seconds, client.initialize)
        subscription = client.pubsub(ignore_subscribe_messages=True)
        try:
            await self._bounded("command", "subscribe", self._seconds, lambda: subscription.subscribe(channel))
            yield subscription
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]

    async def _wait(self, barrier: str) -> int:
        client = self._client
        pipeline = client.pipeline(transaction=False) if isinstance(client, Redis) else client.pipeline()
        target = {} if isinstance(client, Redis) else {"target_nodes": client.get_node_from_key(barrier)}
        async with pipeline:
            pipeline.execute_command("SET", barrier, "1", "PX", _BARRIER_MS)
            pipeline.execute_command("WAIT", self._wait_replicas, self._wait_ms, **target)
            return int((await pipeline.execute())[-1])

    async def _command(self, kind: str, operation: str, *args: Argument) -> Any:
        return await self._bounded(kind, operation, self._seconds, lambda: self._client.execute_command(*args))

    async def _bounded(self, kind: str, operation: str, seconds: float, call: Callable[[], Awaitable[T]]) -> T:
        started, outcome = self.monotonic(), "cancelled"
        try:
            async with asyncio.timeout(seconds), self._permits:
                answer = await call()
            outcome = "ok"
            return answer  # noqa: TRY300 - the call may end in other ways than these
        except NoScriptError:
            outcome = "no_script"
            raise
        # redis-py's AttributeError: of a connection that was closed while it was being opened.
        except (RedisError, RedisClusterException, OSError, AttributeError) as error:
            outcome = _judged(error)[0]
            if error_code(error) == "READONLY" and isinstance(self._client, Redis):
                # The primary moved behind this address: resolve it anew, at the next use.
                await self._client.connection_pool.disconnect(inuse_connections=False)
            if outcome == "timeout" and isinstance(self._client, PatientCluster):
                self._client.look_again()
            raise StoreError(explain(error)) from error
        finally:
            self._on_call(kind, operation, outcome, self.monotonic() - started)


async def together(*calls: Coroutine[Any, Any, T]) -> list[T]:
    """All of them at once; the first failure is raised when none is under way any more."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    answers: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        answers.append(result)
    return answers
