"""Configuration: one YAML file, the environment over it, secrets from files; checked once, then frozen.

    sources   the YAML file and DCR_SIDECAR_… as one tree
    schema    that tree's shape, as pydantic models
    messages  what pydantic found, said so that it can be mended
    urls      what may be an issuer, a resource, an origin
    resolve   models -> `Settings`; every refusal at start that needs more than one key
    binds     where listeners wait
    limits    how much may be asked of us
    model     `Settings`, what the rest of the program is built from

Nobody else reads the environment, and nothing below the entry points sees `Settings` as a whole. Most of it is imported
when it is first asked for: who wants one listener's address should not wait for the rest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidecar.settings import binds
from sidecar.settings.binds import Bind
from sidecar.settings.errors import Problem, SettingsError
from sidecar.settings.sources import overlay, read

if TYPE_CHECKING:
    from sidecar.settings.model import EnvoySettings, Listeners, LogSettings, Outline, Settings, StoreSettings

__all__ = [
    "Bind",
    "EnvoySettings",
    "Listeners",
    "LogSettings",
    "Outline",
    "Problem",
    "Settings",
    "SettingsError",
    "StoreSettings",
    "json_schema",
    "load",
    "load_address",
    "load_outline",
    "parse",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    from sidecar.settings import model

    return getattr(model, name)


def load_address(path: Path | None, environ: Mapping[str, str], name: str) -> Bind:
    """Where one listener waits, such as `listeners.ops`, whatever else is wrong. Raises SettingsError."""
    tree, _ = _tree(path, environ)
    return binds.alone(tree, name)


def load_outline(path: Path | None, environ: Mapping[str, str]) -> "Outline":
    """As `load`, without reading any secret: for `envoy-config`. Raises SettingsError."""
    from sidecar.settings.messages import validate
    from sidecar.settings.resolve import outline

    tree, base = _tree(path, environ)
    return outline(validate(tree), base)


def load(path: Path | None, environ: Mapping[str, str]) -> "Settings":
    """The file, if any, with the environment over it. Raises SettingsError, which names every key and its fix."""
    tree, base = _tree(path, environ)
    return parse(tree, base=base)


def parse(tree: Mapping[str, object], *, base: Path) -> "Settings":
    """From what a YAML file would hold; relative paths in it start at `base`. Raises SettingsError."""
    from sidecar.settings.messages import validate
    from sidecar.settings.resolve import resolve

    return resolve(validate(tree), base)


def json_schema() -> dict[str, Any]:
    from sidecar.settings import schema

    return schema.json_schema()


def _tree(path: Path | None, environ: Mapping[str, str]) -> tuple[Mapping[str, object], Path]:
    return overlay(read(path) if path else {}, environ), (path.parent if path else Path()).resolve()
