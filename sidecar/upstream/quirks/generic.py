"""Presets for providers that keep to a standard: what they need is configured or discovered."""

from collections.abc import Mapping

from sidecar.upstream.quirks.schema import Quirks

GENERIC: Mapping[str, Quirks] = {
    "oidc": Quirks(),
    "oauth2": Quirks(discovery="rfc8414", scopes=(), identity="userinfo", subject_fallback="id"),
}
