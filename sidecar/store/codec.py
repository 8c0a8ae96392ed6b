"""Every key name and hash field of the store, and the schema version. SCHEMA.md describes the same, for people.

Keys hold fixed-size digests, never what a caller sent. A grant's key carries the grant id as its hash tag, so whatever
belongs to one grant is in one slot of a cluster. Owns no I/O; how records become bytes is `packing`'s business.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from sidecar.records import Grant
from sidecar.sealing import length_prefixed

SCHEMA = "1"
"""Written into every record. A record of any other schema is not read: deny, and keep it for the version that can."""

_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_GRANT_ID = re.compile(r"[0-9a-f]{32}")


class F:
    """Fields of a grant's hash."""

    SCHEMA = "s"
    VERSION = "v"
    DOCUMENT = "g"
    CLIENT = "cl"
    REDIRECT = "ru"
    RESOURCE = "rs"
    CHALLENGE = "cc"
    CODE_WRAP = "cw"
    REFRESH_GENERATION = "rg"
    REFRESH_END = "re"
    REFRESH_WRAP = "rw"
    UPSTREAM = "us"
    UPSTREAM_END = "ue"
    UPSTREAM_REFRESHABLE = "ur"
    UPSTREAM_SERIAL = "un"
    UPSTREAM_REFUSED = "ux"
    CUTOFF = "uc"
    ACCESS = "a:"
    """A prefix; the generation follows."""
    # Only the scripts touch: ce cu ct (code), pg pt pa (previous refresh token), lo lu lm lc (lease). See SCHEMA.md.


def access_field(generation: int) -> str:
    return f"{F.ACCESS}{generation}"


def digest(*parts: str) -> str:
    """SHA-256 over unambiguous parts, as 64 hexadecimal characters."""
    return sha256(length_prefixed(*parts)).hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """All key names. Raises ValueError for a prefix or a grant id that could change a key's shape or slot."""

    prefix: str

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError("store.prefix: 1 to 64 letters, digits or any of _ . : -")

    def grant(self, grant_id: str) -> str:
        return f"{self.prefix}:g:{_tag(grant_id)}"

    def barrier(self, grant_id: str) -> str:
        """What WAIT waits for: a write after the one that matters, on the same node."""
        return f"{self.prefix}:w:{_tag(grant_id)}"

    def barrier_beside(self, key: str) -> str:
        """The same for a key that carries no hash tag."""
        return f"{self.prefix}:w:{{{key}}}"

    def news(self) -> str:
        """The channel on which scripts say that a grant changed; they derive the same name from its key."""
        return f"{self.prefix}:news"

    def indexes(self, grant: Grant) -> tuple[str, str, str]:
        """Where a grant is listed: by client, by user, by pool."""
        return (
            self.grants_of(grant.client_id),
            self.grants_of_user(grant.pool_id, grant.identity.subject),
            self.grants_of_pool(grant.pool_id),
        )

    def grants_of(self, client_id: str) -> str:
        return f"{self.prefix}:i:client:{digest(client_id)}"

    def grants_of_user(self, pool_id: str, subject: str) -> str:
        return f"{self.prefix}:i:user:{digest(pool_id, subject)}"

    def grants_of_pool(self, pool_id: str) -> str:
        return f"{self.prefix}:i:pool:{digest(pool_id)}"

    def clients_of(self, pool_id: str) -> str:
        """Where a pool's registry entries are listed."""
        return f"{self.prefix}:i:clients:{digest(pool_id)}"

    def sweeps(self) -> str:
        """What is left to end."""
        return f"{self.prefix}:sweeps"

    def denials(self, grant: Grant) -> tuple[str, str, str]:
        """What may forbid a grant: its client, its user, its pool's cut-off."""
        return (
            self.denied_client(grant.client_id),
            self.denied_user(grant.pool_id, grant.identity.subject),
            self.pool_cutoff(grant.pool_id),
        )

    def denied_client(self, client_id: str) -> str:
        return f"{self.prefix}:deny:client:{digest(client_id)}"

    def denied_user(self, pool_id: str, subject: str) -> str:
        return f"{self.prefix}:deny:user:{digest(pool_id, subject)}"

    def pool_cutoff(self, pool_id: str) -> str:
        return f"{self.prefix}:deny:pool:{digest(pool_id)}"

    def transaction(self, handle: str) -> str:
        return f"{self.prefix}:t:{digest(handle)}"

    def form(self, nonce: str) -> str:
        return f"{self.prefix}:f:{digest(nonce)}"

    def assertion(self, client_id: str, jti: str) -> str:
        return f"{self.prefix}:j:{digest(client_id, jti)}"

    def client(self, client_id: str) -> str:
        return f"{self.prefix}:c:{digest(client_id)}"

    def initial_access(self, token_id: str) -> str:
        return f"{self.prefix}:a:{digest(token_id)}"

    def initial_accesses(self, pool_id: str) -> str:
        """Where a pool's initial access tokens are listed."""
        return f"{self.prefix}:i:access:{digest(pool_id)}"

    def upstream_registration(self, pool_id: str) -> str:
        """Who may register this pool at its IdP."""
        return f"{self.prefix}:r:{digest(pool_id)}"

    def pools(self) -> str:
        """All pools that were made while we ran. Scripts derive the channel's name from it."""
        return f"{self.prefix}:pools"

    def limit(self, name: str) -> str:
        return f"{self.prefix}:l:{digest(name)}"


ALWAYS = "*"
ENDING = "ending"
"""Denies like any other text; tells that the sweep of the client's grants is not over."""


def cutoff(value: bytes | None) -> int:
    """The number of a user's cut-off behind which something may begin; 0: there is none."""
    return int(value) if value is not None and value.isdigit() else 0


def denies(value: bytes | None, behind: int) -> bool:
    """Whether a user's denial forbids what began behind cut-off `behind`: always, or because there is a later one.

    What cannot be read, denies.
    """
    return value is not None and not (value.isdigit() and behind >= int(value))


def _tag(grant_id: str) -> str:
    if not _GRANT_ID.fullmatch(grant_id):
        raise ValueError("a grant id is 32 hexadecimal characters")
    return "{" + grant_id + "}"
