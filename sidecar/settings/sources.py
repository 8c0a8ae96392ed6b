"""The YAML file and the environment, as one tree of plain values. Knows no key but `name`, and checks no meaning.

`DCR_SIDECAR_STORE__URL` is `store.url`. An entry of a list goes by its name, with `_` for `-`, or by its number:
`DCR_SIDECAR_POOLS__CORP__CLIENT_SECRET`. A value that begins with `[` or `{` is JSON; any other is text.
"""

import copy
import json
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sidecar.settings.errors import Problem, SettingsError

PREFIX = "DCR_SIDECAR_"
# Where the command line finds the file or a sidecar elsewhere, and where Envoy, which may share our environment, finds
# the check's secret.
_NOT_OURS = frozenset(
    {
        "DCR_SIDECAR_ADMIN_TOKEN_FILE",
        "DCR_SIDECAR_ADMIN_URL",
        "DCR_SIDECAR_CHECK_SECRET",
        "DCR_SIDECAR_CONFIG",
    }
)
# Kubernetes puts these into every pod beside a Service called dcr-sidecar or dcr-sidecar-….
_SERVICE_LINK = re.compile(r"[A-Z0-9_]*?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)")


def read(path: Path) -> dict[str, Any]:
    """The file's tree. Raises SettingsError for a file that is not there, not YAML, or not a mapping."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise SettingsError([Problem("", f"{path}: cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([Problem("", f"{path}: is not UTF-8 text")]) from error
    except yaml.YAMLError as error:
        raise SettingsError([Problem("", f"{path}: is not valid YAML{_where(error)}")]) from error
    except ValueError as error:  # of a date that no calendar has
        raise SettingsError([Problem("", f"{path}: holds a date that does not exist")]) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError([Problem("", f"{path}: must be a mapping of keys such as `servers:` and `pools:`")])
    return tree


def overlay(tree: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the tree with every DCR_SIDECAR_… variable put in its place."""
    merged = copy.deepcopy(dict(tree))
    problems = []
    for name in sorted(environ):
        rest = name.removeprefix(PREFIX)
        if rest == name or name in _NOT_OURS or _SERVICE_LINK.fullmatch(rest):
            continue
        try:
            _put(merged, rest.lower().split("__"), _value(environ[name]))
        except LookupError as error:
            problems.append(Problem(name, str(error.args[0])))
    if problems:
        raise SettingsError(problems)
    return merged


def _value(text: str) -> object:
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _put(node: Any, path: list[str], value: object) -> None:
    *parents, key = path
    for step in parents:
        node = _child(node, step)
    if not isinstance(node, dict) or not key:
        raise LookupError("there is no such key" if key else "a key is missing between or after the underscores")
    # A secret and its file are one value said in two ways: the environment's way wins.
    node.pop(key.removesuffix("_file") if key.endswith("_file") else f"{key}_file", None)
    node[key] = value


def _child(node: Any, step: str) -> Any:
    if isinstance(node, dict) and step:
        if node.get(step) is None:
            node[step] = {}
        return node[step]
    if isinstance(node, list):
        names = [_name(entry) for entry in node]
        if step in names:
            return node[names.index(step)]
        if step.isdecimal() and int(step) < len(node):
            return node[int(step)]
        raise LookupError(f"no entry is called {step}; there is: {', '.join(filter(None, names)) or 'none'}")
    raise LookupError("there is no such key")


def _name(entry: object) -> str:
    return str(entry.get("name", "")).lower().replace("-", "_") if isinstance(entry, dict) else ""


def _where(error: yaml.YAMLError) -> str:
    """Line and problem, without the text around it: that may be a secret."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ""
    return f", line {error.problem_mark.line + 1}: {error.problem or error.context}"


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: which one was meant is a guess."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "a key stands twice", key.start_mark)
            if key.value != "<<":
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
