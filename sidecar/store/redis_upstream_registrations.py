"""The right to register at an IdP, in Redis: one hash a pool. Owns the lease, not the registration."""

from sidecar.store.redis_part import Part, given, milliseconds
from sidecar.store.upstream_registrations import RegistrationLease

_FORGOTTEN_SECONDS = 2 * 86400
"""When nobody has tried for so long, it begins anew."""


class RedisUpstreamRegistrations(Part):
    __slots__ = ()

    async def lease_registration(
        self, pool_id: str, owner: str, seconds: float, *, now: float | None = None
    ) -> RegistrationLease:
        outcome, wait, failures = await self.link.script(
            "registration_lease",
            self.keys.upstream_registration(pool_id),
            given(now),
            owner,
            milliseconds(seconds),
            milliseconds(_FORGOTTEN_SECONDS),
        )
        return RegistrationLease(outcome.decode(), int(wait) / 1000, int(failures))

    async def release_registration(
        self, pool_id: str, owner: str, *, cool_down: float = 0.0, now: float | None = None
    ) -> bool:
        key = self.keys.upstream_registration(pool_id)
        return bool(await self.link.script("registration_release", key, given(now), owner, milliseconds(cool_down)))
