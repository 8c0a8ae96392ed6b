"""Rate limits in Redis: one number a limit, gone when nothing of its budget is used. Knows no limit by name."""

from sidecar.store.redis_part import Part, given

_HOUR = 3_600_000_000
"""Microseconds."""


class RedisLimits(Part):
    __slots__ = ()

    async def admit(
        self, key: str, *, per_hour: int, burst: int, spend: bool = True, now: float | None = None
    ) -> float:
        each = round(_HOUR / per_hour)
        wait = await self.link.script("limit", self.keys.limit(key), given(now), each, burst, "1" if spend else "")
        return int(wait) / 1000
