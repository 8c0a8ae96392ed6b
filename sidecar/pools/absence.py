"""Why a server's pool is not there: words for the log, never for the wire. Owns no decision.

Asked only where something was refused already: it opens the record of the pool's registration.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.pools.live import LivePools
from sidecar.pools.standing import RegistrationStatus
from sidecar.records import Pool

WhyAbsent = Callable[[str], str]
"""A pool's name, which may be empty, to one sentence."""


@dataclass(frozen=True, slots=True)
class Absence:
    live: LivePools
    status: Callable[[Pool], RegistrationStatus]

    def why(self, name: str) -> str:
        if not name:
            return "it has no pool"
        pool = self.live.waiting(name)
        if pool is None:
            return f"there is no pool {name}"
        status = self.status(pool)
        return f"pool {name} has no client at its provider ({status.state}): {status.detail}"
