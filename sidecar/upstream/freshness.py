"""How long an answer may be kept, by its own headers (RFC 9111 4.2): pure.

Owns the bounds too: nobody makes us ask more often than once a minute, and nobody keeps an old document for longer than
a day.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

SHORTEST = 60
"""One sign-in is one fetch, whatever the headers say."""
USUAL = 3600
"""When they say nothing."""
LONGEST = 86400

_MAX_AGE = re.compile(r'(?:^|[,\s])max-age\s*=\s*"?([0-9]{1,18})"?\s*(?:,|$)')
_NOT_KEPT = re.compile(r"(?:^|[,\s])(?:no-store|no-cache)\s*(?:,|=|$)")
_SECONDS = re.compile(r"[0-9]{1,18}")


def lifetime(caching: Mapping[str, str], *, now: int) -> int:
    """Seconds, within the bounds. `caching` is `Answer.caching`; what cannot be read is what has expired (5.3)."""
    control = caching.get("cache-control", "").lower()
    age = caching.get("age", "").strip()
    spent = int(age) if _SECONDS.fullmatch(age) else 0
    found = _MAX_AGE.search(control)
    if _NOT_KEPT.search(control):
        seconds = 0
    elif found:
        seconds = int(found[1])
    elif "max-age" in control:
        seconds = 0
    elif "expires" in caching:
        dated = _moment(caching.get("date", ""), now)
        seconds = _moment(caching["expires"], dated) - dated
    else:
        return USUAL
    return min(max(seconds - spent, SHORTEST), LONGEST)


def _moment(text: str, otherwise: int) -> int:
    """An HTTP date (RFC 9110 5.6.7) in Unix seconds."""
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return otherwise
