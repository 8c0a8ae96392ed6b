"""Whose request it is: the outcome of authorisation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sidecar.records import Grant


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, through one client, at one server, and the credential that the MCP server gets to see."""

    grant: Grant
    scopes: tuple[str, ...]
    """Of the access token; may be fewer than the grant's."""
    upstream_token: str = field(repr=False)
    """Empty where the MCP server gets to know the user without it."""
    upstream_serial: int
    """Which token set of the grant this credential is from; 0 for none."""
    identity: Mapping[str, str] = field(repr=False, default_factory=lambda: MappingProxyType({}))
    """The headers that tell the MCP server who calls, where it gets no upstream token: the assertion among them."""
