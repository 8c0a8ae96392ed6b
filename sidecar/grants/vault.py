"""Sealing of upstream tokens under a grant's data key, bound to the grant they belong to.

The data key itself exists only wrapped, once per live token (`tokens`): the store and our keys together open nothing.
Whoever changes in the store who signed in, or what was granted, is left with a grant that opens nothing either.
"""

import orjson

from sidecar.clock import Entropy
from sidecar.records import Grant, UpstreamTokens
from sidecar.sealing import length_prefixed, open_under, seal_under
from sidecar.store.base import SealedUpstream


def seal(data_key: bytes, grant: Grant, serial: int, tokens: UpstreamTokens, entropy: Entropy) -> SealedUpstream:
    """The token set number `serial` of this grant."""
    plaintext = orjson.dumps([tokens.access_token, tokens.refresh_token, tokens.expires_at, tokens.scopes])
    return SealedUpstream(
        sealed=seal_under(data_key, plaintext, _aad(grant, serial), entropy),
        expires_at=tokens.expires_at,
        refreshable=bool(tokens.refresh_token),
        serial=serial,
    )


def unseal(data_key: bytes, grant: Grant, upstream: SealedUpstream) -> UpstreamTokens:
    """Raises SealError for bytes that were sealed for another grant or token set, or for a grant that was changed."""
    access, refresh, expires_at, scopes = orjson.loads(
        open_under(data_key, upstream.sealed, _aad(grant, upstream.serial))
    )
    return UpstreamTokens(access, refresh, expires_at, tuple(scopes))


def _aad(grant: Grant, serial: int) -> bytes:
    """The grant by name, and all of it that we sign for, show or judge by: an assertion says no more than this."""
    who = grant.identity
    said = (
        *(grant.issuer, grant.server, grant.client_name, grant.scopes, grant.expires_at, grant.upstream_client),
        *(who.name, who.email, who.email_verified, who.groups, who.issuer),
    )
    return length_prefixed(
        *(grant.id, grant.client_id, grant.pool_id, who.subject, grant.resource, "upstream", str(serial)),
        orjson.dumps(said),
    )
