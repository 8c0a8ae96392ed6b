"""Sealing of upstream tokens under a grant's data key, bound to the grant they belong to.

The data key itself exists only wrapped, once per live token (`tokens`): the store and our keys together open nothing.
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
    """Raises SealError for bytes that were sealed for another grant, client, user, resource or token set."""
    access, refresh, expires_at, scopes = orjson.loads(
        open_under(data_key, upstream.sealed, _aad(grant, upstream.serial))
    )
    return UpstreamTokens(access, refresh, expires_at, tuple(scopes))


def _aad(grant: Grant, serial: int) -> bytes:
    return length_prefixed(
        grant.id, grant.client_id, grant.pool_id, grant.identity.subject, grant.resource, "upstream", str(serial)
    )
