"""What pydantic found, said so that it can be mended: the key as in the file, and the fix. No value is repeated."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sidecar.settings.errors import Problem, SettingsError
from sidecar.settings.schema import Configuration

_NOT_AVAILABLE = {
    ("dcr", "token"): "`token` is not available yet; use `open` or `off`",
    ("cimd", "on"): "`on` is not available yet; use `off`",
}
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
    try:
        return Configuration.model_validate(tree)
    except ValidationError as error:
        found = error.errors(include_url=False)
    raise SettingsError(Problem(_key(tree, each["loc"]), _text(each)) for each in found)


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
    if isinstance(value, str) and path and (str(path[-1]), value) in _NOT_AVAILABLE:
        return _NOT_AVAILABLE[str(path[-1]), value]
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
