"""Small words of Envoy's vocabulary that several parts use."""

from collections.abc import Iterable
from typing import Any

Doc = dict[str, Any]
"""A message of Envoy's API in its JSON form."""

_PREFIX = "type.googleapis.com/"

EXT_AUTHZ = "envoy.filters.http.ext_authz"
BUFFER = "envoy.filters.http.buffer"
HEADER_MUTATION = "envoy.filters.http.header_mutation"
LUA = "envoy.filters.http.lua"
ROUTER = "envoy.filters.http.router"

NO_CHECK: Doc = {
    EXT_AUTHZ: {"@type": f"{_PREFIX}envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled": True}
}
"""What a route without a check carries, and nothing else does."""


def typed(message: str, **fields: Any) -> Doc:
    """A `typed_config` value; `message` is the full name without its `envoy.` prefix."""
    return {"@type": f"{_PREFIX}envoy.{message}", **fields}


def exactly(names: Iterable[str]) -> Doc:
    """A list of string matchers, one per name. Header names are compared without regard to case."""
    return {"patterns": [{"exact": name, "ignore_case": True} for name in names]}


def overwrite(header: str, value: str) -> Doc:
    return {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def seconds(number: float) -> str:
    return f"{number:g}s"
