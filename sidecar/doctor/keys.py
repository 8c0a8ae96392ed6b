"""The key file: its mode, and keys that were left half-way. Pure."""

from collections.abc import Iterator, Sequence

from sidecar.doctor.deployment import KeyFact
from sidecar.doctor.finding import Finding, fine, found

_DAY = 86400
LONGEST_PENDING = 7 * _DAY
MOST_OPEN = 2
OLD = 400 * _DAY


def judge_keys(keys: Sequence[KeyFact], file: str, *, exposed: bool, now: int) -> Iterator[Finding]:
    where = file or "keys.file"
    if exposed:
        yield found("keys-exposed", where, "every user of this machine can read the keys")
    opened = [key.id for key in keys if key.state == "open"]
    for key in keys:
        days = (now - key.created_at) // _DAY
        # A key of unknown age has 0; nothing is said of how long it waits.
        if key.state == "pending" and key.created_at and now - key.created_at > LONGEST_PENDING:
            yield found("keys-pending", where, f"key {key.id} has been pending for {days} days")
        if key.state == "active":
            if key.created_at and now - key.created_at > OLD:
                yield found("keys-old", where, f"key {key.id} has been in use for {days} days")
            age = f", made {days} days ago" if key.created_at else ""
            yield fine("keys", where, f"key {key.id} is active{age}; every replica must have this same file")
    if len(opened) > MOST_OPEN:
        listed = ", ".join(map(str, opened))
        yield found("keys-open", where, f"{len(opened)} keys still open what they made: {listed}")
