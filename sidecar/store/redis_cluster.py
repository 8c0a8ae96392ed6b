"""A cluster client whose search for its nodes outlives the operation that began it. Owns no key and no record.

redis-py looks for the nodes within the first operation, and again after a failover. Within our per-operation timeout a
busy machine might never finish; so the search is one task, with its own timeout, that all operations wait for. And a
node that is silent, not closed, it would ask for ever: our timeout ends an operation before redis-py sees a failure.
While a slot moves, it says ASKING on one connection and asks on another: what has moved already would be out of reach.
"""

import asyncio
from asyncio import Task
from typing import Any

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode

_SEARCH_SECONDS = 10.0
_LOOK_SECONDS = 1.0
"""Between looks: each costs as much as dozens of operations, and what is slow needs no more work."""
NODE_SECONDS = 2.0
"""For connecting to, and hearing from, one node; longer than an operation, shorter than the search."""


class PatientCluster(RedisCluster):
    _search: "Task[RedisCluster] | None" = None
    _look: "Task[None] | None" = None
    _next_look = 0.0
    _newcomers: "dict[str, ClusterNode]"

    def connecting_with(self, kind: dict[str, Any]) -> None:
        """Their class and its options, for nodes that are known and those to be found. redis-py takes only its own."""
        for node in self.startup_nodes:
            node.connection_class = kind["connection_class"]
            node.connection_kwargs |= {name: value for name, value in kind.items() if name != "connection_class"}
        self.connection_kwargs |= kind
        self._newcomers = {}

    def get_node(self, host: str | None = None, port: int | None = None, node_name: str | None = None) -> Any:
        """By name, redis-py looks for the one that a slot moves to; it may serve no slot yet, so nobody named it."""
        if node_name is None:
            return super().get_node(host, port)
        found = super().get_node(node_name=node_name) or self._newcomers.get(node_name)
        if found is None:
            address, _, number = node_name.rpartition(":")
            found = self._newcomers[node_name] = ClusterNode(address, int(number), **self.connection_kwargs)
        return _Asked(found)

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

    def look_again(self) -> None:
        """An operation was given up: see who has its slot now. Meanwhile the others go on with what is known."""
        now = asyncio.get_running_loop().time()
        if self._initialize or now < self._next_look or (self._look is not None and not self._look.done()):
            return
        self._next_look = now + _LOOK_SECONDS
        self._look = asyncio.create_task(self._see())
        self._look.add_done_callback(_heard)

    async def _see(self) -> None:
        await asyncio.wait_for(self.nodes_manager.initialize(), _SEARCH_SECONDS)

    async def stop(self) -> None:
        """For good. `aclose` is what redis-py itself calls in passing, to begin anew."""
        if under_way := [task for task in (self._search, self._look) if task is not None]:
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)
        await self.aclose()  # nothing, when a failure has just asked for a new beginning
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")
        for node in self._newcomers.values():
            await node.disconnect()


class _Asked:
    """A node that is asked for what is moving to it: the word and the question on one connection."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if args == ("ASKING",):
            return None  # with the question
        options.pop("asking", None)
        connection = self._node.acquire_connection()
        try:
            await connection.send_packed_command(connection.pack_commands([("ASKING",), args]))
            try:
                await self._node.parse_response(connection, "ASKING")
            except BaseException:
                await connection.disconnect()  # whose next answer would be taken for another's
                raise
            return await self._node.parse_response(connection, args[0], **options)
        finally:
            self._node.release(connection)


def _heard(search: "Task[Any]") -> None:
    """Its failure is news to whoever still waits; nobody may."""
    if not search.cancelled():
        search.exception()
