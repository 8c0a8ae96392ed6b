"""Text and links that a stranger supplies and a person will read. Owns what is refused before it is ever stored."""

import re
import unicodedata
from urllib.parse import urlsplit

MAX_TEXT = 256
MAX_URL = 2048

# Letters by their category, but drawn as nothing: good for names that look equal and are not.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Controls, formats (bidi overrides, zero-width, tags), surrogates, private use, line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Drawn above or below the letter before them: many on one letter cover the lines around it.
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 4
_HOST = r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_LINK = re.compile(rf"https?://{_HOST}(?:[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{{2}})*)?")


def is_plain(text: str) -> bool:
    """Whether the text is short, and every character of it is seen and stays in its place."""
    if len(text) > MAX_TEXT:
        return False
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if character in _INVISIBLE or category in _REFUSED_CATEGORIES or marks > _MOST_MARKS:
            return False
    return True


def is_link(text: str) -> bool:
    """Whether the text is an http(s) URL without userinfo and without a fragment. Never fetched, only shown."""
    if len(text) > MAX_URL or not _LINK.fullmatch(text):
        return False
    try:
        urlsplit(text)
    except ValueError:  # brackets around what is no address
        return False
    return True
