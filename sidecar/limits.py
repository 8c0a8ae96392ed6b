"""How often a source may do what costs us something: register, start a sign-in, fail to authenticate.

All replicas count in the store, so a limit is one limit. Raises TooManyRequests with the time to wait; a store that
does not answer refuses (StoreError), as everywhere. Owns no number (`budgets`, from the settings) and no HTTP.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sidecar.budgets import Budget, Budgets, bucket
from sidecar.oauth.errors import InvalidClient, InvalidToken, OAuthError, TooManyRequests
from sidecar.oauth.params import ClientCredentials
from sidecar.records import Pool
from sidecar.store.limits import Limits


@dataclass(frozen=True, slots=True)
class RateLimits:
    store: Limits
    budgets: Budgets

    async def registration(self, pool: Pool, source: str) -> None:
        """Counts an attempt of the source, whatever comes of it: reading and judging a body costs, too."""
        named = self.budgets.range_of(source)
        if named is not None:
            await self._ask(f"registrations of range {named.name} at {pool.id}", named.registrations)
        else:
            await self._ask(f"registrations of source {bucket(source)}", self.budgets.registrations)

    async def admitted(self, pool: Pool, source: str) -> None:
        """Counts the same for the pool. Last: what was refused before must not use up what others have left."""
        if self.budgets.range_of(source) is None:
            await self._ask(f"registrations of pool {pool.id}", self.budgets.pool_registrations)

    async def sign_in(self, source: str) -> None:
        """Counts an answer to the consent page that is about to be taken."""
        named = self.budgets.range_of(source)
        if named is not None:
            await self._ask(f"sign-ins of range {named.name}", named.sign_ins)
        else:
            await self._ask(f"sign-ins of source {bucket(source)}", self.budgets.sign_ins)

    async def document(self, source: str) -> None:
        """Counts a fetch of a client's document, which somebody who is not known made us do."""
        await self._ask(f"documents for source {bucket(source)}", self.budgets.documents)

    @asynccontextmanager
    async def authentication(self, source: str, credentials: ClientCredentials) -> AsyncIterator[None]:
        """Around an authentication: counts it if it raises InvalidClient, and only then.

        Counted by source and client id, and told apart in no way by whether the client exists: many clients come from
        a hosted client's few addresses, and one that guesses, or that lost its registration, must not shut out the
        others. Over the limit even the right secret is refused unread, or guessing would go on behind the 429; without
        a secret there is nothing to guess, so those are not asked first.
        """
        name = f"failed authentications of source {bucket(source)} as {credentials.client_id}"
        async with self._guesses(name, credentials.secret, InvalidClient):
            yield

    @asynccontextmanager
    async def management(self, source: str, client_id: str, token: str) -> AsyncIterator[None]:
        """The same around a use of a registration access token (RFC 7592): counts it if it raises InvalidToken."""
        name = f"failed registration access tokens of source {bucket(source)} for {client_id}"
        async with self._guesses(name, token, InvalidToken):
            yield

    @asynccontextmanager
    async def _guesses(self, name: str, presented: str, failure: type[OAuthError]) -> AsyncIterator[None]:
        budget = self.budgets.failed_authentications
        if presented:
            await self._ask(name, budget, spend=False)
        try:
            yield
        except failure:
            await self._ask(name, budget)
            raise

    async def _ask(self, name: str, budget: Budget, *, spend: bool = True) -> None:
        if budget.unlimited:
            return
        wait = await self.store.admit(name, per_hour=budget.per_hour, burst=budget.burst, spend=spend)
        if wait > 0:
            raise TooManyRequests(retry_after=math.ceil(wait), reason=f"over the limit: {name}")
