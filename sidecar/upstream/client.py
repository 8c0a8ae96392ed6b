"""The identity provider behind a pool, as the use cases see it: `upstream.base.Upstream`.

Owns the order of calls and the time they may take together. What is sent is `messages`', how answers are judged is
`answers`', who it is `accounts`'. Nothing here retries: whether trying again is right depends on what was at stake.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sidecar.clock import Clock, Monotonic
from sidecar.events import Recorder
from sidecar.records import Pool, UpstreamTokens
from sidecar.upstream.accounts import Accounts
from sidecar.upstream.answers import TokenAnswer, judge_revocation, judge_token
from sidecar.upstream.base import (
    Refreshed,
    SignIn,
    UpstreamError,
    UpstreamMalformed,
    UpstreamMisconfigured,
    UpstreamUnavailable,
    UpstreamUnknown,
)
from sidecar.upstream.discovery import Discovery, route_of
from sidecar.upstream.documents import DocumentReader
from sidecar.upstream.http import TOKEN_BYTES, TOTAL_SECONDS, Http, open_http
from sidecar.upstream.messages import (
    Request,
    asked_scopes,
    authorization_url,
    exchange_request,
    refresh_request,
    revoke_request,
    told_scopes,
)
from sidecar.upstream.provider import Provider, is_issuer
from sidecar.upstream.quirks import Quirks, preset

SIGN_IN_SECONDS = 10.0
"""Discovery, exchange, keys and userinfo together. A browser waits, not ext_authz."""
_TOO_LITTLE = 0.2


@dataclass(frozen=True, slots=True)
class UpstreamClient:
    """Implements `Upstream`. Use `open_upstream`."""

    http: Http
    discovery: Discovery
    accounts: Accounts
    clock: Clock
    monotonic: Monotonic

    async def authorization_url(self, pool: Pool, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        quirks = _quirks(pool)
        provider = await self.discovery.provider(pool, quirks, seconds=self.http.total_seconds)
        return authorization_url(
            provider.authorization_endpoint,
            pool,
            quirks,
            redirect_uri=redirect_uri,
            state=state,
            nonce=nonce,
            challenge=challenge,
        )

    async def sign_in(
        self, pool: Pool, *, code: str, redirect_uri: str, verifier: str, nonce: str, iss: str | None
    ) -> SignIn:
        quirks = _quirks(pool)
        left = self._budget(SIGN_IN_SECONDS)
        provider = await self.discovery.provider(pool, quirks, seconds=left())
        _check_iss(iss, provider)
        request = exchange_request(
            provider.token_endpoint,
            pool,
            quirks,
            provider.auth,
            code=code,
            redirect_uri=redirect_uri,
            verifier=verifier,
        )
        now = self.clock()
        answer = await self._tokens(pool, quirks, request, "exchange", left())
        identity, claims = await self.accounts.who(pool, quirks, provider, answer, nonce=nonce, left=left)
        return SignIn(_upstream_tokens(answer, pool, quirks, now=now), identity, claims)

    async def refresh(self, pool: Pool, refresh_token: str) -> Refreshed:
        quirks = _quirks(pool)
        left = self._budget(self.http.total_seconds)
        provider = await self.discovery.provider(pool, quirks, seconds=left())
        # Before anything changes at the provider: an answer that cannot be verified afterwards would be lost.
        await self.accounts.prepare(pool, provider, left)
        request = refresh_request(provider.token_endpoint, pool, quirks, provider.auth, refresh_token=refresh_token)
        now = self.clock()
        answer = await self._tokens(pool, quirks, request, "refresh", left())
        try:
            identity, claims = await self.accounts.still(pool, quirks, provider, answer, left=left)
        except UpstreamMalformed:
            raise
        except UpstreamError as error:  # whatever it was, the refresh itself had happened by then
            raise UpstreamUnknown(f"refreshed, but not verified: {error}") from error
        return Refreshed(_upstream_tokens(answer, pool, quirks, now=now, kept=refresh_token), identity, claims)

    async def revoke(self, pool: Pool, tokens: UpstreamTokens) -> None:
        quirks = _quirks(pool)
        token = tokens.refresh_token or tokens.access_token
        if not self.revokes(pool) or not token:
            return
        left = self._budget(self.http.total_seconds)
        provider = await self.discovery.provider(pool, quirks, seconds=left())
        if not provider.revocation_endpoint:
            return
        hint = "refresh_token" if tokens.refresh_token else "access_token"
        await self.http.call(
            revoke_request(provider.revocation_endpoint, pool, provider.auth, token=token, hint=hint),
            lambda answer: judge_revocation(answer, quirks),
            route=route_of(pool),
            operation="revoke",
            limit=TOKEN_BYTES,
            seconds=left(),
        )

    def revokes(self, pool: Pool) -> bool:
        return _quirks(pool).revocation_scope == "token"

    def retries_unknown(self, pool: Pool) -> bool:
        # "maybe" too: if the token was used up after all, the provider says so on the next try and the grant ends then;
        # ending it at once would sign everybody out whenever a provider is slow for a moment.
        return _quirks(pool).single_use_refresh != "yes"

    async def _tokens(
        self, pool: Pool, quirks: Quirks, request: Request, operation: str, seconds: float
    ) -> TokenAnswer:
        return await self.http.call(
            request,
            lambda answer: judge_token(answer, quirks),
            route=route_of(pool),
            operation=operation,
            limit=TOKEN_BYTES,
            seconds=seconds,
        )

    def _budget(self, seconds: float) -> Callable[[], float]:
        end = self.monotonic() + seconds

        def left() -> float:
            rest = end - self.monotonic()
            if rest < _TOO_LITTLE:  # better not sent than sent without time for the answer
                raise UpstreamUnavailable("no time left")
            return rest

        return left


@dataclass(frozen=True, slots=True)
class Opened:
    """What `open_upstream` yields: both share one discovery."""

    upstream: UpstreamClient
    documents: DocumentReader


@asynccontextmanager
async def open_upstream(
    *, clock: Clock, monotonic: Monotonic, recorder: Recorder, total_seconds: float = TOTAL_SECONDS
) -> AsyncIterator[Opened]:
    """The connections to every pool's provider and to the servers' origins, closed at the end."""
    async with open_http(recorder, monotonic, total_seconds=total_seconds) as http:
        discovery = Discovery(http, monotonic)
        documents = DocumentReader(http, discovery, monotonic)
        try:
            yield Opened(UpstreamClient(http, discovery, Accounts(http, discovery, clock), clock, monotonic), documents)
        finally:
            await documents.close()
            await discovery.close()


def _quirks(pool: Pool) -> Quirks:
    try:
        return preset(pool.provider)
    except KeyError:
        raise UpstreamMisconfigured("there is no such provider preset") from None


def _check_iss(iss: str | None, provider: Provider) -> None:
    """RFC 9207 2.4: an answer from another issuer goes no further, and neither does its code."""
    if iss is None:
        if provider.sends_iss:
            raise UpstreamMalformed("the provider always sends iss; this answer has none")
    elif provider.issuer and not is_issuer(iss, provider.issuer):
        raise UpstreamMalformed("iss is another issuer's")


def _upstream_tokens(answer: TokenAnswer, pool: Pool, quirks: Quirks, *, now: int, kept: str = "") -> UpstreamTokens:
    """`now` is from before the call: a lifetime counts from when it began, at the latest."""
    scopes = asked_scopes(pool, quirks) if answer.scopes is None else answer.scopes
    return UpstreamTokens(
        access_token=answer.access_token,
        refresh_token=answer.refresh_token or kept,
        expires_at=now + answer.lifetime if answer.lifetime else 0,
        scopes=told_scopes(scopes, pool, quirks),
    )
