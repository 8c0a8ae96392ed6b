"""YAML with comments, in the order given. Owns no content.

PyYAML writes no comments; this writes the few shapes that the documents have, so that people can read why.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WIDTH = 110
_NOT_STRINGS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def dump_yaml(document: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """The document as YAML. A comment stands above the first key whose dotted path ends in the comment's key."""
    pending = dict(comments or {})
    lines = list(_mapping(document, "", "", pending))
    return "\n".join(lines) + "\n"


def _mapping(value: Mapping[str, Any], indent: str, path: str, pending: dict[str, str]) -> Iterator[str]:
    for key, entry in value.items():
        here = f"{path}.{key}"
        yield from textwrap.wrap(
            _comment(here, pending),
            width=max(60, _WIDTH - len(indent)) + len(indent),
            initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}# ",
            break_on_hyphens=False,
        )
        yield from _entry(f"{indent}{_scalar(key)}:", entry, indent + "  ", here, pending)


def _entry(head: str, value: Any, indent: str, path: str, pending: dict[str, str]) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, indent, path, pending)
    elif isinstance(value, list) and value:
        yield head
        for item in value:
            yield from _item(item, indent, path, pending)
    elif isinstance(value, str) and value.count("\n") > 1 and value.endswith("\n"):
        yield f"{head} |"  # a script, to be read as one
        yield from textwrap.indent(value, indent).splitlines()
    else:
        yield f"{head} {_scalar(value)}"


def _item(value: Any, indent: str, path: str, pending: dict[str, str]) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        inner = list(_mapping(value, indent + "  ", path, pending))
        first = next(index for index, line in enumerate(inner) if not line.lstrip().startswith("#"))
        yield from (line.replace("  ", "", 1) for line in inner[:first])
        yield f"{indent}- {inner[first].lstrip()}"
        yield from inner[first + 1 :]
    else:
        yield f"{indent}- {_scalar(value)}"


def _comment(path: str, pending: dict[str, str]) -> str:
    for key in pending:
        if path.endswith(f".{key}"):
            return pending.pop(key)
    return ""


def _scalar(value: Any) -> str:
    """JSON, which is YAML too, except for strings that read the same without quotes."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _NOT_STRINGS:
        return value
    if isinstance(value, str) and '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)
