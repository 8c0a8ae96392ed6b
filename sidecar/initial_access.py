"""Initial access tokens (RFC 7591 3): who may register when not everybody may.

    dcri_ base64url( format 2 | key id 2 | id 16 | HMAC-SHA256 28 )

The MAC is the secret and is kept nowhere: the store knows how often an id may still be used, in which pool and until
when, and so opens nothing. Owns neither the metadata that is registered nor any HTTP.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from sidecar.clock import Clock, Entropy
from sidecar.events import InitialAccessTokenCreated, InitialAccessTokenRevoked, Recorder
from sidecar.oauth.errors import InvalidToken
from sidecar.records import Pool
from sidecar.sealing import Keyring, SealError
from sidecar.store.base import StoreError
from sidecar.store.initial_access import InitialAccessToken, InitialAccessTokens

MAX_USES = 1_000_000
DEFAULT_SECONDS = 7 * 86400
MIN_SECONDS = 60
MAX_SECONDS = 366 * 86400
"""A year, leap day included."""

_PREFIX = "dcri_"
_FORMAT = b"\x00\x01"
_ID = slice(4, 20)
_BODY_BYTES = 2 + 2 + 16
_MAC_BYTES = 28
_TEXT_LENGTH = (_BODY_BYTES + _MAC_BYTES) * 4 // 3  # 48 bytes: no padding, and no two texts for one token
_NOBODYS = "-"


class NotAdmitted(InvalidToken):
    """No token, or none that still lets anybody register here: nothing tells why (RFC 6750 3.1)."""

    default = "Registration needs an initial access token that is valid here. The operator of this server gives them."

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason=reason, headers={"WWW-Authenticate": 'Bearer realm="dcr-sidecar"'})


@dataclass(frozen=True, slots=True)
class InitialAccess:
    store: InitialAccessTokens
    keyring: Keyring
    entropy: Entropy
    clock: Clock
    recorder: Recorder

    async def create(self, pool: Pool, *, label: str, uses: int, seconds: int) -> tuple[str, InitialAccessToken]:
        """A new token, which nobody can tell again. Raises ValueError for a number that is out of bounds."""
        if not 1 <= uses <= MAX_USES or not MIN_SECONDS <= seconds <= MAX_SECONDS:
            raise ValueError(f"1 to {MAX_USES} uses, {MIN_SECONDS} to {MAX_SECONDS} seconds")
        now, identifier = self.clock(), self.entropy(16)
        token = InitialAccessToken(identifier.hex(), pool.id, label, uses, uses, now, now + seconds)
        await self.store.add_initial_access(token)
        self.recorder(
            InitialAccessTokenCreated(
                pool=pool.name, initial_access_token=token.id, label=label, uses=uses, expires_at=token.expires_at
            )
        )
        return self.encode(identifier), token

    async def listed(self, pool: Pool) -> tuple[InitialAccessToken, ...]:
        """Those that are not over, by their end; used up ones too."""
        return await self.store.initial_accesses(pool.id)

    async def revoke(self, token_id: str, name_of: Callable[[str], str]) -> bool:
        """False: there is none (any more). `name_of` a pool id: the pool's name, for the audit trail."""
        ended = await self.store.end_initial_access(token_id)
        if ended is None:
            return False
        self.recorder(
            InitialAccessTokenRevoked(
                pool=name_of(ended.pool_id), initial_access_token=ended.id, label=ended.label, unused=ended.left
            )
        )
        return True

    async def admission(self, pool: Pool, presented: str) -> Callable[[], AbstractAsyncContextManager[str]]:
        """What takes one of the token's uses and gives its id; this call takes none. Both raise NotAdmitted.

        Around what the use is for: when the store fails at that, the use is given back as far as the store lets us. The
        two keys may be on two nodes, so it cannot be one step.

        The same work for whatever was presented. Asked first, so that a stranger's body is not even read.
        """
        token_id = self.parse(presented)
        if not await self.store.spend_initial_access(token_id or _NOBODYS, pool.id, spend=False) or not token_id:
            reason = "no initial access token of ours" if presented else "no initial access token"
            raise NotAdmitted(reason=f"initial access token {token_id} is not good here" if token_id else reason)
        return partial(self._spent, pool, token_id)

    @asynccontextmanager
    async def _spent(self, pool: Pool, token_id: str) -> AsyncIterator[str]:
        if not await self.store.spend_initial_access(token_id, pool.id):
            raise NotAdmitted(reason=f"initial access token {token_id} was used up meanwhile")
        try:
            yield token_id
        except StoreError:
            with suppress(StoreError):
                await self.store.refund_initial_access(token_id)
            raise

    def encode(self, token_id: bytes) -> str:
        body = _FORMAT + self.keyring.active.to_bytes(2, "big") + token_id
        return _PREFIX + urlsafe_b64encode(body + self._mac(body)).decode()

    def parse(self, text: str) -> str:
        """The id of a token that we made under a key that still opens; empty for anything else."""
        encoded = text.removeprefix(_PREFIX)
        if len(text) != len(_PREFIX) + _TEXT_LENGTH or len(encoded) != _TEXT_LENGTH or not text.isascii():
            return ""
        try:
            raw = urlsafe_b64decode(encoded)
            body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
            # The decoder reads `+` as `-` and skips what it does not know: only the canonical text is the token.
            good = raw.startswith(_FORMAT) and urlsafe_b64encode(raw).decode() == encoded
            return body[_ID].hex() if hmac.compare_digest(mac, self._mac(body)) and good else ""
        except (ValueError, SealError):
            return ""

    def _mac(self, body: bytes) -> bytes:
        return self.keyring.mac(int.from_bytes(body[2:4], "big"), "initial-access-token", body)[:_MAC_BYTES]
