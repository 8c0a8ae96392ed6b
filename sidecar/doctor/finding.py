"""One finding: a kind, the thing that it is about, and what is wrong with it. Holds no secret."""

from dataclasses import dataclass

from sidecar.doctor.kinds import KINDS, Group, Level

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Finding:
    id: str
    where: str
    """A key of the configuration, a pool, an address; may be empty."""
    text: str
    stored: bool = False
    """It is about a pool that lives in the store, where no file is to be mended."""

    @property
    def level(self) -> Level:
        return KINDS[self.id].level

    @property
    def group(self) -> Group:
        return KINDS[self.id].group

    @property
    def fix(self) -> str:
        kind = KINDS[self.id]
        return (kind.stored_fix if self.stored else "") or kind.fix


def found(kind: str, where: str, text: str) -> Finding:
    """What others said may be in the text: it is shortened, and nothing in it moves a cursor."""
    return Finding(kind, _plain(where), _plain(text))


def fine(group: Group, where: str, text: str) -> Finding:
    return found(f"{group}-ok", where, text)


def _plain(text: str) -> str:
    shown = "".join(mark if mark.isprintable() else "?" for mark in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
