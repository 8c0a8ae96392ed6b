"""Whose request it is: the outcome of authorisation."""

from dataclasses import dataclass, field

from sidecar.records import Grant


@dataclass(frozen=True, slots=True)
class Principal:
    """A user, through one client, at one server, and the credential that the MCP server gets to see."""

    grant: Grant
    scopes: tuple[str, ...]
    """Of the access token; may be fewer than the grant's."""
    upstream_token: str = field(repr=False)
    upstream_serial: int
    """Which token set of the grant this credential is from."""
