"""A memory of principals, so that most MCP requests need no store: bounded, per process, at most two seconds old.

The deadline counts from before the store was read, so an answer that took long is not trusted longer. News of ended
grants (the push channel, our own events) only shortens it: correctness never rests on news arriving.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256

from sidecar.clock import Monotonic
from sidecar.directory import Server
from sidecar.grants.principal import Principal

STALENESS_SECONDS = 2.0
"""The published bound: a revoked token is refused at the latest after this."""

_ENTRIES = 10_000
_REMEMBERED_ENDS = 1_000


@dataclass(frozen=True, slots=True)
class Key:
    """Which token, for which resource, under which pool. The token itself is not kept."""

    digest: bytes
    resource: str
    pool_id: str

    @classmethod
    def of(cls, token: str, server: Server, pool_id: str) -> "Key":
        return cls(sha256(token.encode(errors="surrogateescape")).digest(), server.resource, pool_id)


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    until: float


@dataclass(slots=True)
class Principals:
    monotonic: Monotonic
    entries: int = _ENTRIES
    _entries: OrderedDict[Key, _Entry] = field(default_factory=OrderedDict, init=False)
    _of_grant: dict[str, set[Key]] = field(default_factory=dict, init=False)
    _ended: OrderedDict[str, float] = field(default_factory=OrderedDict, init=False)
    _barrier: float = field(default=float("-inf"), init=False)

    def get(self, key: Key) -> Principal | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self.monotonic() >= entry.until:
            self._drop(key)
            return None
        return entry.principal

    def put(self, key: Key, principal: Principal, *, read_at: float, remaining: float) -> None:
        """Remember what was read at `read_at` (monotonic, taken before the read), for `remaining` seconds at most."""
        grant_id = principal.grant.id
        if read_at <= max(self._barrier, self._ended.get(grant_id, float("-inf"))):
            return  # the grant was ended, or news may have been missed, while it was being read
        until = read_at + min(STALENESS_SECONDS, remaining)
        if until <= self.monotonic():
            return
        self._drop(key)
        while len(self._entries) >= self.entries:
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(principal, until)
        self._of_grant.setdefault(grant_id, set()).add(key)

    def forget(self, grant_id: str) -> None:
        """This grant, or one of its tokens, is not what it was."""
        for key in list(self._of_grant.get(grant_id, ())):
            self._drop(key)
        self._ended[grant_id] = self.monotonic()
        self._ended.move_to_end(grant_id)
        while len(self._ended) > _REMEMBERED_ENDS:
            self._barrier = max(self._barrier, self._ended.popitem(last=False)[1])

    def forget_all(self) -> None:
        """The push channel was down: news may have been missed."""
        self._entries.clear()
        self._of_grant.clear()
        self._ended.clear()
        self._barrier = self.monotonic()

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        grant_id = entry.principal.grant.id
        keys = self._of_grant[grant_id]
        keys.discard(key)
        if not keys:
            del self._of_grant[grant_id]
