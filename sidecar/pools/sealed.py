"""A pool's record as the store keeps it: sealed whole, for its name. Owns the form; knows no store."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import TypeAdapter, ValidationError

from sidecar.clock import Entropy
from sidecar.records import Pool
from sidecar.sealing import Keyring, Sealer, SealError, length_prefixed

_PURPOSE = "pool"


@dataclass(frozen=True, slots=True)
class StoredPool:
    """A pool that an operator made."""

    pool: Pool
    state: Literal["live", "deleting"]
    """`deleting`: it does nothing any more, and what was made under it is being ended."""
    created_at: int
    changed_at: int
    schema: Literal[1] = 1


class UnreadablePool(Exception):
    """A record that these keys or this version cannot read. It stays, and counts as absent."""


_FORM = TypeAdapter(StoredPool)


@dataclass(frozen=True, slots=True)
class PoolVault:
    sealer: Sealer

    @classmethod
    def of(cls, keyring: Keyring, entropy: Entropy) -> Self:
        return cls(Sealer(keyring, _PURPOSE, entropy))

    def seal(self, stored: StoredPool) -> bytes:
        return self.sealer.seal(_FORM.dump_json(stored), _place(stored.pool.name))

    def open(self, name: str, sealed: bytes) -> StoredPool:
        """Raises UnreadablePool."""
        try:
            stored = _FORM.validate_json(self.sealer.open(sealed, _place(name)))
        except (SealError, ValidationError):
            raise UnreadablePool(name) from None  # what pydantic says of it would repeat a secret
        if stored.pool.name != name:
            raise UnreadablePool(name)
        return stored


def _place(name: str) -> bytes:
    return length_prefixed(_PURPOSE, name)
