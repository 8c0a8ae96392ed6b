"""MCP clients: registered by themselves, described by a document, or configured; one policy over all of them.

standing     which kind an id is of; resolve and authenticate
registered   dynamic registration (RFC 7591)
documented   client id metadata documents
configured   written down by the operator
assertions   private_key_jwt (RFC 7523)
kinds        what they share
turns        who waits for strangers holds up nobody
"""

from sidecar.clients.configured import Configured
from sidecar.clients.documented import Documented, UnusableDocument
from sidecar.clients.kinds import METHOD, REGISTRY_SECONDS, UNUSED_SECONDS, Known, described
from sidecar.clients.registered import Registered
from sidecar.clients.standing import Clients

__all__ = [
    "METHOD",
    "REGISTRY_SECONDS",
    "UNUSED_SECONDS",
    "Clients",
    "Configured",
    "Documented",
    "Known",
    "Registered",
    "UnusableDocument",
    "described",
]
