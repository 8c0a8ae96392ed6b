"""What pydantic found, said so that it can be mended: the key as in the file, and the fix. No value is repeated."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sidecar.settings.errors import Problem, SettingsError
from sidecar.settings.schema import Configuration

_VARIABLE = re.compile(r"\$\{\w+\}")
_PLACEHOLDER = re.compile(r"https?://[^<>]*(<[^<>]+>)")
_PLAIN = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "string_pattern_mismatch": "must be lower-case letters, digits and dashes, 40 at most",
    "string_too_short": "must not be empty",
}


def validate(tree: Mapping[str, object]) -> Configuration:
    """Raises SettingsError with everything that is wrong with single keys."""
    if left := [Problem(_key(tree, path), text) for path, text in _left_to_fill_in(tree)]:
        raise SettingsError(left)
    try:
        return Configuration.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False)
    raise SettingsError(Problem(_key(tree, each["loc"]), _text(each)) for each in found)


def _left_to_fill_in(node: object, path: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """What stands in examples for the reader's own value, and what only other programs fill in."""
    if isinstance(node, Mapping | list):
        for step, child in node.items() if isinstance(node, Mapping) else enumerate(node):
            yield from _left_to_fill_in(child, (*path, step if isinstance(step, int) else str(step)))
    elif isinstance(node, str) and _VARIABLE.fullmatch(node):
        yield path, f"{node} is not filled in here; leave the key out and set its DCR_SIDECAR_… variable instead"
    elif isinstance(node, str) and (found := _PLACEHOLDER.match(node)):
        yield path, f"write your own value in place of {found[1]}"


def _key(tree: object, path: Sequence[int | str]) -> str:
    """`servers[notes].origin`, with the entry's name where it has one."""
    key = ""
    for step in path:
        tree = _step_into(tree, step)
        if isinstance(step, int):
            name = tree.get("name") if isinstance(tree, Mapping) else None
            key += f"[{name if isinstance(name, str) else step}]"
        else:
            key += f".{step}" if key else step
    return key


def _step_into(tree: object, step: int | str) -> object:
    if isinstance(tree, Mapping):
        return tree.get(step)
    if isinstance(tree, Sequence) and not isinstance(tree, str) and isinstance(step, int) and step < len(tree):
        return tree[step]
    return None


def _text(error: ErrorDetails) -> str:
    path, kind = error["loc"], error["type"]
    value = error["input"]
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "string_type" and value is None:
        return "is empty; give it a value"
    if kind == "literal_error":
        return f"must be {error['ctx']['expected'].replace(chr(39), '`')}"
    return _PLAIN.get(kind) or error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _unknown(path: Sequence[int | str]) -> str:
    known = sorted(_section_at(path[:-1]).model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"is not a key; did you mean `{close[0]}`?" if close else f"is not a key; there is: {', '.join(known)}"


def _section_at(path: Sequence[int | str]) -> type[BaseModel]:
    section: type[BaseModel] = Configuration
    for step in path:
        if isinstance(step, str):
            section = _section_in(section.model_fields[step].annotation) or section
    return section


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, itself or in a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)
