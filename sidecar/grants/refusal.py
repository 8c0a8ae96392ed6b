"""The MCP server answered 401 to an upstream token that we had allowed. Owns what follows for the grant.

The next use renews the token first; where that is impossible, or has just been tried, the grant ends. So the client
signs in again at the latest after the second refusal, and nothing loops.
"""

from dataclasses import dataclass

from sidecar.events import OriginRefused, Recorder, sign_in
from sidecar.grants import telling
from sidecar.grants.principals import Principals
from sidecar.store.base import Grants


@dataclass(frozen=True, slots=True)
class Refusal:
    store: Grants
    principals: Principals
    recorder: Recorder

    async def note(self, grant_id: str, serial: int) -> None:
        """Token set number `serial` of this grant was refused. Raises StoreError."""
        state = await self.store.read(grant_id)
        if state is None:
            return
        sign_in.set(state.grant.reference)
        outcome = await self.store.refuse_upstream(grant_id, serial)
        self.principals.forget(grant_id)
        grant = state.grant
        said = {"grant": grant_id, "client": grant.client_id, "user": grant.identity.subject, "server": grant.server}
        self.recorder(OriginRefused(outcome=outcome, **said))
        if outcome == "ended":
            self.recorder(telling.ended(grant, "origin_refused"))
