"""Configuration: one YAML file, the environment over it, secrets from files; checked once, then frozen.

    sources   the YAML file and DCR_SIDECAR_… as one tree
    schema    that tree's shape, as pydantic models
    messages  what pydantic found, said so that it can be mended
    urls      what may be an issuer, a resource, an origin
    resolve   models -> `Settings`; every refusal at start that needs more than one key
    limits    how much may be asked of us
    model     `Settings`, what the rest of the program is built from

Nobody else reads the environment, and nothing below the entry points sees `Settings` as a whole.
"""

from collections.abc import Mapping
from pathlib import Path

from sidecar.settings.errors import Problem, SettingsError
from sidecar.settings.messages import validate
from sidecar.settings.model import Bind, EnvoySettings, Listeners, LogSettings, Outline, Settings, StoreSettings
from sidecar.settings.resolve import outline, resolve
from sidecar.settings.schema import json_schema
from sidecar.settings.sources import overlay, read

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
    "load_outline",
    "parse",
]


def load_outline(path: Path | None, environ: Mapping[str, str]) -> Outline:
    """As `load`, without reading any secret: for `envoy-config`. Raises SettingsError."""
    tree, base = _tree(path, environ)
    return outline(validate(tree), base)


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The file, if any, with the environment over it. Raises SettingsError, which names every key and its fix."""
    tree, base = _tree(path, environ)
    return parse(tree, base=base)


def parse(tree: Mapping[str, object], *, base: Path) -> Settings:
    """From what a YAML file would hold; relative paths in it start at `base`. Raises SettingsError."""
    return resolve(validate(tree), base)


def _tree(path: Path | None, environ: Mapping[str, str]) -> tuple[Mapping[str, object], Path]:
    return overlay(read(path) if path else {}, environ), (path.parent if path else Path()).resolve()
