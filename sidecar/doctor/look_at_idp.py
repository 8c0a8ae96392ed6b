"""Asks one pool's IdP what there is to ask without a user, and hands the answers to the judges of `idp`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from sidecar.clock import Clock, Entropy
from sidecar.doctor import idp
from sidecar.doctor.finding import Finding, fine, found
from sidecar.doctor.seen import Reply
from sidecar.doctor.web import NotReached, send, session
from sidecar.oauth.pkce import new_verifier, s256
from sidecar.pools.standing import RegistrationStatus
from sidecar.records import Pool, UpstreamCredentials
from sidecar.upstream.base import UpstreamMisconfigured
from sidecar.upstream.messages import Request, asked_scopes, authorization_url, document_request, exchange_request
from sidecar.upstream.provider import Provider, document_urls, needs_document
from sidecar.upstream.quirks import Quirks, preset

_SECONDS = 5.0
_RANDOM = 32


@dataclass(frozen=True, slots=True)
class Visit:
    """One pool, and how to get to its IdP."""

    pool: Pool
    quirks: Quirks
    callbacks: Sequence[str]
    over: aiohttp.ClientSession
    clock: Clock
    entropy: Entropy

    async def send(self, request: Request) -> Reply:
        return await send(self.over, request, proxy=self.pool.proxy, seconds=_SECONDS)


async def look(
    pool: Pool,
    callbacks: Sequence[str],
    *,
    clock: Clock,
    entropy: Entropy,
    post: bool,
    own: RegistrationStatus | None = None,
) -> Sequence[Finding]:
    """`own`: how it stands with the client that the pool registers for itself, where that is known."""
    try:
        quirks = preset(pool.provider)
        async with session(ca=pool.ca) as over:
            visit = Visit(pool, quirks, callbacks, over, clock, entropy)
            return await _examined(visit, own, post=post)
    except KeyError:
        return [found("idp-settings", idp.where(pool, "provider"), f"there is no preset {pool.provider!r}")]
    except NotReached as error:  # of the discovery document, or a CA file
        return [_unreached(pool, error, "discovery document")]


async def _examined(visit: Visit, own: RegistrationStatus | None, *, post: bool) -> Sequence[Finding]:
    pool, quirks = visit.pool, visit.quirks
    findings, document = await _document(visit)
    if any(finding.level == "error" for finding in findings) and needs_document(pool, quirks):
        return findings
    if own is not None or not pool.client_id:
        findings.append(idp.judge_own_client(own, pool, visit.callbacks, asked_scopes(pool, quirks)))
    if not pool.client_id:
        return findings
    try:
        provider = Provider.of(pool, quirks, document)
    except UpstreamMisconfigured as error:
        return [*findings, found("idp-settings", idp.where(pool), str(error))]
    findings += idp.judge_pkce(document, pool, quirks)
    steps = [_keys(visit, provider), _credentials(visit, provider, post=post, own=own is not None)]
    steps += [_former(visit, provider, former) for former in pool.former if post]
    steps += [_sign_in(visit, provider, callback) for callback in visit.callbacks]
    for more in await asyncio.gather(*steps):
        findings += more
    return findings


async def _document(visit: Visit) -> tuple[list[Finding], Mapping[str, Any] | None]:
    """Raises NotReached."""
    pool, quirks = visit.pool, visit.quirks
    urls = document_urls(pool, quirks)
    for url in urls:
        reply = await visit.send(document_request(url))
        seen = idp.judge_issuer_document(reply, pool, quirks)
        if isinstance(seen, Finding):
            return [seen], None
        if seen is not None:
            told = fine("idp", idp.where(pool), f"is {seen['issuer']}, as configured")
            return [told, *idp.judge_date(reply, pool, now=visit.clock())], seen
    if urls and needs_document(pool, quirks):
        text = f"there is no discovery document at {' or '.join(urls)}"
        return [found("idp-no-document", idp.where(pool, "issuer"), text)], None
    return [], None


async def _keys(visit: Visit, provider: Provider) -> Sequence[Finding]:
    if not provider.jwks_uri:
        return []
    try:
        reply = await visit.send(document_request(provider.jwks_uri))
    except NotReached as error:
        return [found("idp-keys", idp.where(visit.pool), f"its signature keys were not reached: {error}")]
    return list(idp.judge_jwks(reply, visit.pool))


async def _credentials(visit: Visit, provider: Provider, *, post: bool, own: bool = False) -> Sequence[Finding]:
    """With a code that nobody was given. Without a secret there is nothing to prove. `own`: the pool registered it."""
    pool, quirks = visit.pool, visit.quirks
    if not visit.callbacks or not pool.client_secret:
        return []
    if not post:
        text = "whether the IdP takes our client id and secret was not tried"
        return [found("idp-credentials-untried", idp.where(pool), text)]
    request = exchange_request(
        provider.token_endpoint,
        pool,
        quirks,
        provider.auth,
        code=f"doctor.{new_verifier(visit.entropy(_RANDOM))}",
        redirect_uri=visit.callbacks[0],
        verifier=new_verifier(visit.entropy(_RANDOM)),
    )
    try:
        reply = await visit.send(request)
    except NotReached as error:
        return [_unreached(pool, error, "token endpoint")]
    return [idp.judge_credentials(reply, pool, quirks, own=own)]


async def _former(visit: Visit, provider: Provider, former: UpstreamCredentials) -> Sequence[Finding]:
    """Whether a former client's grants can still be renewed. That a former secret is refused only ends its overlap."""
    pool = visit.pool
    if former.client_id == pool.client_id or (former.until and former.until <= visit.clock()):
        return []
    before = replace(pool, client_id=former.client_id, client_secret=former.client_secret, former=())
    seen = await _credentials(replace(visit, pool=before), provider, post=True)
    text = f"the IdP refuses the former client {former.client_id}, so its grants cannot be renewed"
    return [found("idp-former", idp.where(pool), text) for finding in seen if finding.id == "idp-credentials"]


async def _sign_in(visit: Visit, provider: Provider, callback: str) -> Sequence[Finding]:
    url = authorization_url(
        provider.authorization_endpoint,
        visit.pool,
        visit.quirks,
        redirect_uri=callback,
        state=new_verifier(visit.entropy(_RANDOM)),
        nonce=new_verifier(visit.entropy(_RANDOM)),
        challenge=s256(new_verifier(visit.entropy(_RANDOM))),
    )
    try:
        reply = await visit.send(Request("GET", url, {"Accept": "text/html"}))
    except NotReached as error:
        text = f"whether the IdP knows {callback} is not to be seen: {error}"
        return [found("idp-callback-unclear", idp.where(visit.pool), text)]
    return [idp.judge_sign_in(reply, callback, visit.pool)]


def _unreached(pool: Pool, error: NotReached, what: str) -> Finding:
    kind = "idp-untrusted" if error.untrusted else "idp-unreachable"
    return found(kind, idp.where(pool), f"its {what} was not reached: {error}")
