"""A cluster client whose search for its nodes outlives the operation that began it. Owns no key and no record.

redis-py looks for the nodes within the first operation, and again after a failover. Within our per-operation timeout a
busy machine might never finish; so the search is one task, with its own timeout, that all operations wait for.
"""

import asyncio
from asyncio import Task

from redis.asyncio import RedisCluster

_SEARCH_SECONDS = 10.0
NODE_SECONDS = 2.0
"""For connecting to, and hearing from, one node; longer than an operation, shorter than the search."""


class PatientCluster(RedisCluster):
    _search: "Task[RedisCluster] | None" = None

    async def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        last_failed_node_name: str | None = None,
    ) -> "RedisCluster":
        if self._search is None or self._search.done():
            found = super().initialize(additional_startup_nodes_info, last_failed_node_name)
            self._search = asyncio.create_task(asyncio.wait_for(found, _SEARCH_SECONDS))
            self._search.add_done_callback(_heard)
        return await asyncio.shield(self._search)

    async def stop(self) -> None:
        """For good. `aclose` is what redis-py itself calls in passing, to begin anew."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])
        await self.aclose()


def _heard(search: "Task[RedisCluster]") -> None:
    """Its failure is news to whoever still waits; nobody may."""
    if not search.cancelled():
        search.exception()
