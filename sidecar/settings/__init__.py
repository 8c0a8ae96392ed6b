"""Configuration: one YAML file, the environment over it, secrets from files; checked once, then frozen.

    sources   the YAML file and DCR_SIDECAR_… as one tree
    schema    that tree's shape, as pydantic models
    messages  what pydantic found, said so that it can be mended
    urls      what may be an issuer, a resource, an origin
    resolve   models -> `Settings`; every refusal at start that needs more than one key
    model     `Settings`, what the rest of the program is built from

Nobody else reads the environment, and nothing below the entry points sees `Settings` as a whole.
"""

from collections.abc import Mapping
from pathlib import Path

from sidecar.settings.errors import Problem, SettingsError
from sidecar.settings.messages import validate
from sidecar.settings.model import Bind, EnvoySettings, Listeners, LogSettings, Settings, StoreSettings
from sidecar.settings.resolve import resolve
from sidecar.settings.schema import json_schema
from sidecar.settings.sources import overlay, read

__all__ = [
    "Bind",
    "EnvoySettings",
    "Listeners",
    "LogSettings",
    "Problem",
    "Settings",
    "SettingsError",
    "StoreSettings",
    "json_schema",
    "load",
    "parse",
]


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The file, if any, with the environment over it. Raises SettingsError, which names every key and its fix."""
    tree = overlay(read(path) if path else {}, environ)
    return parse(tree, base=(path.parent if path else Path()).resolve())


def parse(tree: Mapping[str, object], *, base: Path) -> Settings:
    """From what a YAML file would hold; relative paths in it start at `base`. Raises SettingsError."""
    return resolve(validate(tree), base)
