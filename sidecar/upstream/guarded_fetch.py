"""Fetching what a stranger's URL names, without becoming the stranger's arm.

Owns which way a fetch goes, and how much a stranger can make us do: fetches under way, fetches per host. Where a
connection may lead is `guard`'s, how little is read `http`'s: no redirects, no proxy, no cookies. Names that the
operator lists as internal go another way, on which only these names are asked and a private CA counts.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sidecar.clock import Monotonic
from sidecar.events import Recorder, UpstreamCalled
from sidecar.oauth.uris import parse
from sidecar.upstream.answers import Answer
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamUnavailable
from sidecar.upstream.guard import HTTPS, Guard, Lookup
from sidecar.upstream.http import TOTAL_SECONDS, Http, Route, open_http
from sidecar.upstream.messages import document_request

MOST_AT_ONCE = 16
MOST_PER_HOST = 60
"""A minute, cached ones not counted: a flood of made-up names must not make us hammer somebody."""
PROVIDER = "client"
"""What the far end is called in events."""

_T = TypeVar("_T")
_WINDOW = 60.0


@dataclass(slots=True)
class GuardedFetch:
    """Use `open_guarded`."""

    public: Http
    internal: Http
    guard: Guard
    internal_hosts: frozenset[str]
    ca: str = field(repr=False)
    _under_way: int = field(init=False, default=0)
    _asked: Counter[str] = field(init=False, default_factory=Counter)
    _since: float = field(init=False, default=-_WINDOW)

    def is_internal(self, url: str) -> bool:
        uri = parse(url)
        return uri is not None and uri.host in self.internal_hosts

    async def get(self, url: str, judge: Callable[[Answer], _T], *, operation: str, limit: int) -> _T:
        """Raises UpstreamError: UpstreamUnavailable when another time may do, else a definite no."""
        try:
            self._check(url)
        except UpstreamError as error:
            self._record(operation, error)
            raise
        http, ca = (self.internal, self.ca) if self.is_internal(url) else (self.public, "")
        self._under_way += 1
        try:
            return await http.call(
                document_request(url), judge, route=Route(PROVIDER, ca), operation=operation, limit=limit
            )
        finally:
            self._under_way -= 1

    def _check(self, url: str) -> None:
        uri = parse(url)
        if uri is None or uri.scheme != "https":
            raise UpstreamMalformed("not an https URL")
        if not self.is_internal(url):
            self.guard.check(uri.host, uri.port or HTTPS)
        if self._under_way >= MOST_AT_ONCE:
            raise UpstreamUnavailable("too many fetches under way")
        now = self.public.monotonic()
        if now - self._since >= _WINDOW:
            self._asked.clear()
            self._since = now
        self._asked[uri.host] += 1
        if self._asked[uri.host] > MOST_PER_HOST:
            raise UpstreamUnavailable("too many fetches from this host")

    def _record(self, operation: str, error: UpstreamError) -> None:
        self.public.recorder(
            UpstreamCalled(
                provider=PROVIDER, operation=operation, outcome=error.outcome, seconds=0.0, detail=str(error)
            )
        )


@asynccontextmanager
async def open_guarded(
    recorder: Recorder,
    monotonic: Monotonic,
    *,
    internal_hosts: frozenset[str] = frozenset(),
    ca: str = "",
    guard: Guard | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> AsyncIterator[GuardedFetch]:
    guard = guard or Guard(Lookup())
    try:
        async with (
            open_http(recorder, monotonic, total_seconds=total_seconds, connector=guard.connector) as public,
            open_http(recorder, monotonic, total_seconds=total_seconds) as internal,
        ):
            yield GuardedFetch(public, internal, guard, internal_hosts, ca)
    finally:
        await guard.resolver.close()
