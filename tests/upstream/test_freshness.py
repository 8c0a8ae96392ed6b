"""How long an answer may be kept, by its headers."""

import pytest

from sidecar.upstream.freshness import LONGEST, SHORTEST, USUAL, lifetime

_NOW = 1_800_000_000
_DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # _NOW
_IN_FIVE_MINUTES = "Fri, 15 Jan 2027 08:05:00 GMT"


@pytest.mark.req(81)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({}, USUAL, id="nothing-said"),
        pytest.param({"cache-control": "public"}, USUAL, id="nothing-said-of-time"),
        pytest.param({"cache-control": "public, max-age=300"}, 300, id="max-age"),
        pytest.param({"cache-control": "Max-Age=300"}, 300, id="capitals"),
        pytest.param({"cache-control": 'max-age="300"'}, 300, id="quoted"),
        pytest.param({"cache-control": "max-age=300,max-age=900"}, 300, id="the-first-of-two"),
        pytest.param({"cache-control": "s-maxage=900,max-age=300"}, 300, id="not-the-shared-one"),
        pytest.param({"cache-control": "max-age=300", "age": "100"}, 200, id="already-old"),
        pytest.param({"cache-control": "max-age=300", "age": "x"}, 300, id="unreadable-age"),
        pytest.param({"cache-control": "max-age=1000000000"}, LONGEST, id="ceiling"),
        pytest.param({"cache-control": "max-age=" + "9" * 400}, SHORTEST, id="absurd"),
        pytest.param({"cache-control": "max-age=0"}, SHORTEST, id="floor"),
        pytest.param({"cache-control": "max-age=-1"}, SHORTEST, id="negative"),
        pytest.param({"cache-control": "max-age=soon"}, SHORTEST, id="unreadable"),
        pytest.param({"cache-control": "no-store"}, SHORTEST, id="no-store"),
        pytest.param({"cache-control": "no-cache, max-age=300"}, SHORTEST, id="no-cache"),
        pytest.param({"cache-control": 'no-cache="x"'}, SHORTEST, id="no-cache-of-a-field"),
        pytest.param({"expires": _IN_FIVE_MINUTES, "date": _DATE}, 300, id="expires"),
        pytest.param({"expires": _IN_FIVE_MINUTES}, 300, id="expires-by-our-clock"),
        pytest.param({"expires": _DATE, "date": _IN_FIVE_MINUTES}, SHORTEST, id="expired"),
        pytest.param({"expires": "0"}, SHORTEST, id="expires-unreadable"),
        pytest.param({"expires": "Fri, 15 Jan 9999 08:00:00 GMT"}, LONGEST, id="expires-never"),
        pytest.param({"expires": _DATE, "cache-control": "max-age=300"}, 300, id="max-age-before-expires"),
    ],
)
def test_headers_are_honoured_within_bounds(headers: dict[str, str], seconds: int):
    assert lifetime(headers, now=_NOW) == seconds
