"""Finding out who signed in, and whether it is still them at a refresh: the fetches around `identity`'s rules.

Owns which source the preset names: the id_token, the userinfo endpoint, a user API with a list of addresses, the token
answer itself, or introspection.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.clock import Clock
from sidecar.records import Identity, Pool
from sidecar.upstream.answers import TokenAnswer, judge_introspection, judge_json, judge_object
from sidecar.upstream.base import UpstreamError, UpstreamMalformed, UpstreamMisconfigured
from sidecar.upstream.discovery import Discovery, Keys, route_of
from sidecar.upstream.http import DOCUMENT_BYTES, Http
from sidecar.upstream.identity import UnknownKey, flat, identity_of, names_user, verified_email, verify_id_token
from sidecar.upstream.messages import asked_scopes, introspection_request, userinfo_request
from sidecar.upstream.provider import Provider
from sidecar.upstream.quirks import Quirks, uses_id_token

Left = Callable[[], float]
"""Seconds left for the whole sign-in; raises UpstreamUnavailable when there are none."""
Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Accounts:
    http: Http
    discovery: Discovery
    clock: Clock

    async def who(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, *, nonce: str, left: Left
    ) -> tuple[Identity, Claims]:
        """The user, and the verified claims about them."""
        if uses_id_token(pool):
            told = await self._id_token(pool, quirks, provider, tokens, nonce=nonce, left=left)
            claims = await self._filled(pool, quirks, provider, tokens, told, left=left)
        else:
            claims = await self._account(pool, quirks, provider, tokens, left)
        claims = flat(claims)
        return identity_of(claims, provider, quirks), claims

    async def prepare(self, pool: Pool, provider: Provider, left: Left) -> None:
        """Have what `still` may need, as far as it can be had beforehand."""
        if uses_id_token(pool):
            await self._keys(pool, provider, left)

    async def still(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, *, left: Left
    ) -> tuple[Identity | None, Claims | None]:
        """Whom a refresh's answer is about (OpenID Connect Core 12.2), as `Refreshed` has it.

        The nonce is not compared: it protects an answer that passes through a browser, and this one came from the
        token endpoint. Without an id_token nobody is asked; where userinfo should add to it and does not answer,
        nobody loses a grant for that.
        """
        if quirks.identity == "token_answer" and names_user(account := flat(tokens.account), quirks):
            return identity_of(account, provider, quirks), account
        if not tokens.id_token or not uses_id_token(pool):
            return None, None
        claims = await self._id_token(pool, quirks, provider, tokens, nonce=None, left=left)
        identity = identity_of(claims, provider, quirks)
        try:
            claims = await self._filled(pool, quirks, provider, tokens, claims, left=left)
        except UpstreamError:
            return identity, None
        return identity_of(claims, provider, quirks), flat(claims)

    async def _keys(self, pool: Pool, provider: Provider, left: Left, *, renew: bool = False) -> Keys:
        if not provider.jwks_uri:
            raise UpstreamMisconfigured("neither the settings nor the provider's document name jwks_uri")
        return await self.discovery.keys(pool, provider.jwks_uri, seconds=left(), renew=renew)

    async def _id_token(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, *, nonce: str | None, left: Left
    ) -> Claims:
        if not tokens.id_token:
            raise UpstreamMalformed("the provider sent no id_token")

        async def verified(*, renew: bool) -> Claims:
            keys = await self._keys(pool, provider, left, renew=renew)
            return verify_id_token(
                tokens.id_token, keys, provider, quirks, client_id=pool.client_id, nonce=nonce, now=self.clock()
            )

        try:
            return await verified(renew=False)
        except UnknownKey:  # rotated since we looked; how often we look again is bounded
            return await verified(renew=True)

    async def _filled(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, claims: Claims, *, left: Left
    ) -> Claims:
        """Some providers put the address into userinfo alone. It counts only for the same user (Core 5.3.2)."""
        lacking = "email" in asked_scopes(pool, quirks) and not claims.get("email") and quirks.userinfo_fills
        if not lacking or not provider.userinfo_endpoint:
            return claims
        try:
            more = await self._userinfo(pool, quirks, provider, tokens, left)
        except UpstreamMalformed:  # a token for another audience is refused there; the id_token still stands
            return claims
        return {**more, **claims} if more.get("sub") == claims.get("sub") else claims

    async def _account(self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, left: Left) -> Claims:
        """Where there is no id_token. A user API only sees the access token, which came straight from the provider."""
        if quirks.identity == "token_answer":
            return tokens.account
        if quirks.identity == "introspection":
            return await self._introspection(pool, quirks, provider, tokens, left)
        claims = await self._userinfo(pool, quirks, provider, tokens, left)
        if quirks.identity == "user_and_emails":
            return await self._with_email(pool, quirks, provider, tokens, claims, left=left)
        return claims

    async def _introspection(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, left: Left
    ) -> Claims:
        if not provider.introspection_endpoint:
            raise UpstreamMisconfigured("the provider's document names no introspection_endpoint")
        return await self.http.call(
            introspection_request(
                provider.introspection_endpoint, pool, quirks, provider.auth, access_token=tokens.access_token
            ),
            judge_introspection,
            route=route_of(pool),
            operation="userinfo",
            limit=DOCUMENT_BYTES,
            seconds=left(),
        )

    async def _userinfo(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, left: Left
    ) -> Claims:
        if not provider.userinfo_endpoint:
            raise UpstreamMisconfigured("neither the settings nor the provider's document name userinfo_endpoint")
        return await self.http.call(
            userinfo_request(provider.userinfo_endpoint, quirks, tokens.access_token),
            judge_object,
            route=route_of(pool),
            operation="userinfo",
            limit=DOCUMENT_BYTES,
            seconds=left(),
        )

    async def _with_email(
        self, pool: Pool, quirks: Quirks, provider: Provider, tokens: TokenAnswer, claims: Claims, *, left: Left
    ) -> Claims:
        """The public address of a profile is whatever the user typed; the list says what was verified."""
        try:
            entries = await self.http.call(
                userinfo_request(f"{provider.userinfo_endpoint}/emails", quirks, tokens.access_token),
                judge_json,
                route=route_of(pool),
                operation="userinfo",
                limit=DOCUMENT_BYTES,
                seconds=left(),
            )
        except UpstreamMalformed:  # the scope for addresses was not granted
            entries = []
        email = verified_email(entries)
        return {**claims, "email": email, "email_verified": bool(email)}
