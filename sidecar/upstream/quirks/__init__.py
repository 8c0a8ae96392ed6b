"""How providers differ, as data: one frozen `Quirks` value per preset. The only package that names a provider.

    schema      `Quirks`: what can differ, and nothing else
    generic     presets for any provider that keeps to a standard
    workforce   identity products: every customer has an issuer
    services    services whose accounts are the identities: everybody has the same issuer
    table       all presets by name
    questions   what the settings and the sign-in ask about a pool's provider

Does no I/O, builds no message. To add a provider, add one entry to a table, one file to tests/upstream/providers and
one row to the README.
"""

from sidecar.upstream.quirks.questions import (
    is_public,
    is_single_tenant,
    missing,
    misspelt_issuer,
    tenant,
    uses_id_token,
)
from sidecar.upstream.quirks.schema import (
    ClientAuth,
    Discovery,
    IdentitySource,
    IssuerCheck,
    Quirks,
    RevocationScope,
)
from sidecar.upstream.quirks.table import PRESETS, preset

__all__ = [
    "PRESETS",
    "ClientAuth",
    "Discovery",
    "IdentitySource",
    "IssuerCheck",
    "Quirks",
    "RevocationScope",
    "is_public",
    "is_single_tenant",
    "missing",
    "misspelt_issuer",
    "preset",
    "tenant",
    "uses_id_token",
]
