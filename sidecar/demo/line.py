"""One line of the demo's story. Owns no event."""

from dataclasses import dataclass

GOOD, BAD, PLAIN = "green", "red", "cyan"


@dataclass(frozen=True, slots=True)
class Line:
    """What happened, in two words, and to whom."""

    step: str
    text: str
    style: str = GOOD
