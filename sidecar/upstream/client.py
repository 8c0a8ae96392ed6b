"""The identity provider behind a pool, as the use cases see it: `upstream.base.Upstream`.

Owns the order of calls and the time they may take together. What is sent is `messages`', how answers are judged is
`answers`', who it is `accounts`', which of the pool's clients we are `credentials`'. Nothing here retries after an
answer that may have changed something: whether trying again is right then depends on what was at stake.
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
from sidecar.upstream.credentials import Credentials
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
from sidecar.upstream.registration import Registrar

SIGN_IN_SECONDS = 10.0
"""Discovery, exchange, keys and userinfo together. A browser waits, not ext_authz."""
_TOO_LITTLE = 0.2


@dataclass(frozen=True, slots=True)
class _Told:
    """What the token endpoint told whom: from here on, only the client that was told may judge it."""

    pool: Pool
    provider: Provider
    tokens: TokenAnswer


@dataclass(frozen=True, slots=True)
class UpstreamClient:
    """Implements `Upstream`. Use `open_upstream`."""

    http: Http
    discovery: Discovery
    accounts: Accounts
    credentials: Credentials
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
        self,
        pool: Pool,
        *,
        code: str,
        redirect_uri: str,
        verifier: str,
        nonce: str,
        iss: str | None,
        client_id: str = "",
    ) -> SignIn:
        quirks = _quirks(pool)
        left = self._budget(SIGN_IN_SECONDS)
        now = self.clock()

        async def exchange(own: Pool) -> _Told:
            provider = await self.discovery.provider(own, quirks, seconds=left())
            _check_iss(iss, provider)
            request = exchange_request(
                provider.token_endpoint,
                own,
                quirks,
                provider.auth,
                code=code,
                redirect_uri=redirect_uri,
                verifier=verifier,
            )
            return _Told(own, provider, await self._tokens(own, quirks, request, "exchange", left()))

        told = await self.credentials.call(pool, client_id, "exchange", exchange)
        identity, claims = await self.accounts.who(
            told.pool, quirks, told.provider, told.tokens, nonce=nonce, left=left
        )
        return SignIn(_upstream_tokens(told.tokens, told.pool, quirks, now=now), identity, claims)

    async def refresh(self, pool: Pool, refresh_token: str, *, client_id: str = "") -> Refreshed:
        quirks = _quirks(pool)
        left = self._budget(self.http.total_seconds)
        now = self.clock()

        async def renew(own: Pool) -> _Told:
            provider = await self.discovery.provider(own, quirks, seconds=left())
            # Before anything changes at the provider: an answer that cannot be verified afterwards would be lost.
            await self.accounts.prepare(own, provider, left)
            endpoint = provider.refresh_endpoint or provider.token_endpoint
            request = refresh_request(endpoint, own, quirks, provider.auth, refresh_token=refresh_token)
            return _Told(own, provider, await self._tokens(own, quirks, request, "refresh", left()))

        told = await self.credentials.call(pool, client_id, "refresh", renew)
        try:
            identity, claims = await self.accounts.still(told.pool, quirks, told.provider, told.tokens, left=left)
        except UpstreamMalformed:
            raise
        except UpstreamError as error:  # whatever it was, the refresh itself had happened by then
            raise UpstreamUnknown(f"refreshed, but not verified: {error}") from error
        return Refreshed(
            _upstream_tokens(told.tokens, told.pool, quirks, now=now, kept=refresh_token), identity, claims
        )

    async def revoke(self, pool: Pool, tokens: UpstreamTokens, *, client_id: str = "") -> None:
        quirks = _quirks(pool)
        if not self.revokes(pool) or not (tokens.refresh_token or tokens.access_token):
            return
        left = self._budget(self.http.total_seconds)

        async def revoke(own: Pool) -> None:
            provider = await self.discovery.provider(own, quirks, seconds=left())
            if not provider.revocation_endpoint:
                return
            request = revoke_request(
                provider.revocation_endpoint,
                own,
                quirks,
                provider.auth,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
            )
            await self.http.call(
                request,
                lambda answer: judge_revocation(answer, quirks),
                route=route_of(own),
                operation="revoke",
                limit=TOKEN_BYTES,
                seconds=left(),
            )

        await self.credentials.call(pool, client_id, "revoke", revoke)

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
    """What `open_upstream` yields: all share one discovery."""

    upstream: UpstreamClient
    documents: DocumentReader
    registrar: Registrar


@asynccontextmanager
async def open_upstream(
    *, clock: Clock, monotonic: Monotonic, recorder: Recorder, total_seconds: float = TOTAL_SECONDS
) -> AsyncIterator[Opened]:
    """The connections to every pool's provider and to the servers' origins, closed at the end."""
    async with open_http(recorder, monotonic, total_seconds=total_seconds) as http:
        discovery = Discovery(http, monotonic)
        documents = DocumentReader(http, discovery, monotonic)
        try:
            accounts, credentials = Accounts(http, discovery, clock), Credentials(clock, recorder)
            upstream = UpstreamClient(http, discovery, accounts, credentials, clock, monotonic)
            yield Opened(upstream, documents, Registrar(http, discovery, documents, clock))
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
