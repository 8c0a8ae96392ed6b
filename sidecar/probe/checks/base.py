"""What a check is: a stable id, how bad it is, how to see it, how to mend it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sidecar.probe.seen import Seen

Level = Literal["error", "warning", "note"]


class Fault(NamedTuple):
    """One place where a check found what it looks for."""

    where: str
    """A URL, or a request."""
    text: str
    aside: bool = False
    """Off the way that SDKs take, so one level less."""


@dataclass(frozen=True, slots=True)
class Check:
    """`find` is pure. Ids never change their meaning: people put them into CI."""

    id: str
    level: Level
    find: Callable[[Seen], Iterable[Fault]]
    mend: str
    stops: bool = False
    """A client that keeps to the specification cannot go on."""


@dataclass(frozen=True, slots=True)
class Finding:
    id: str
    level: Level
    where: str
    text: str
    mend: str
    stops: bool = False
