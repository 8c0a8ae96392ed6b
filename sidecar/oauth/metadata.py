"""Discovery documents: RFC 8414 for us, RFC 9728 for the servers we protect.

Owns which members are published, by allow-list: our identity, our endpoints, what we enforce, and of a source document
only what harms nobody. Owns neither fetching nor caching.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # type: ignore[import-untyped]

from sidecar.oauth import pkce
from sidecar.oauth.assertion import ALGORITHMS
from sidecar.oauth.errors import ServerError
from sidecar.oauth.registration import AUTH_METHODS, GRANT_TYPES, RESPONSE_TYPES
from sidecar.oauth.texts import is_link

_DISPLAY_LINKS = ("service_documentation", "op_policy_uri", "op_tos_uri")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MAX_LOCALES = 100
_MAX_DEPTH = 8

# RFC 9728 2: ours to say, or about keys, proofs and servers that a client of ours must not turn to.
_NOT_KEPT = re.compile(
    r"resource|authorization_servers|bearer_methods_supported|scopes_supported|issuer|signed_metadata"
    r"|jwks|jwks_uri|resource_signing_alg_values_supported|.*_endpoint|.*dpop.*|.*mtls.*|tls_client_.*",
    re.IGNORECASE,
)
_LINK_MEMBER = re.compile(r"(?:.*_(?:uri|url)|resource_documentation|service_documentation)(?:#.*)?", re.DOTALL)
_MEMBER_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}(?:#[A-Za-z0-9-]{1,35})?")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an issuer can do. Published and enforced from this one value."""

    revocation: bool = True
    cimd: bool = False
    jwks: bool = False
    """Whether MCP servers get assertions that our published keys verify."""
    registration: bool = True
    scopes: tuple[str, ...] = ()


def authorization_server(
    issuer: str, capabilities: Capabilities, source: Mapping[str, object] | None = None
) -> dict[str, object]:
    """RFC 8414 2 for the issuer with this URL. `source`: the document that is being replaced, if there is one."""
    document: dict[str, object] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        **_authentication("token_endpoint", capabilities),
        "code_challenge_methods_supported": [pkce.METHOD],
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 3
    }
    if capabilities.registration:
        document["registration_endpoint"] = f"{issuer}/register"
    if capabilities.revocation:
        document["revocation_endpoint"] = f"{issuer}/revoke"
        document |= _authentication("revocation_endpoint", capabilities)
    if capabilities.cimd:
        document["client_id_metadata_document_supported"] = True
    if capabilities.jwks:
        document["jwks_uri"] = f"{issuer}/.well-known/jwks.json"
    if capabilities.scopes:
        document["scopes_supported"] = list(capabilities.scopes)
    fault = _fault(document)
    if fault:
        raise ServerError(reason=f"our own metadata is not valid: {fault}")
    # A fault of the source costs its member, never the document.
    shown = _display_members(source or {}, issuer)
    return document | {name: value for name, value in shown.items() if not _fault({**document, name: value})}


def protected_resource(
    resource: str, issuer_url: str, scopes: tuple[str, ...], source: Mapping[str, object] | None = None
) -> dict[str, object]:
    """RFC 9728 2 for one server, `resource` byte for byte. `source`: the server's own document, if it has one."""
    document = {name: kept for name, value in (source or {}).items() if (kept := _kept(name, value)) is not None}
    document |= {
        "resource": resource,
        "authorization_servers": [issuer_url],
        "bearer_methods_supported": ["header"],
    }
    # `offline_access` is between client and authorization server; no resource needs it.
    base = [scope for scope in scopes if scope != "offline_access"]
    if base:
        document["scopes_supported"] = base
    return document


def _authentication(endpoint: str, capabilities: Capabilities) -> dict[str, object]:
    """How clients authenticate there (RFC 8414 2). Only a client with a document has keys; most of those use `none`."""
    if not capabilities.cimd:
        return {f"{endpoint}_auth_methods_supported": list(AUTH_METHODS)}
    return {
        f"{endpoint}_auth_methods_supported": [*AUTH_METHODS, "private_key_jwt"],
        f"{endpoint}_auth_signing_alg_values_supported": list(ALGORITHMS),
    }


def _display_members(source: Mapping[str, object], issuer: str) -> dict[str, object]:
    """What people read and programs ignore, unless it would show whom we stand in front of."""
    hidden = _hosts(source) - {urlsplit(issuer).hostname}
    found: dict[str, object] = {}
    for name in _DISPLAY_LINKS:
        link = source.get(name)
        if isinstance(link, str) and is_link(link) and _host(link) not in hidden:
            found[name] = link
    locales = source.get("ui_locales_supported")
    if isinstance(locales, list) and 0 < len(locales) <= _MAX_LOCALES:
        known = [tag for tag in locales if isinstance(tag, str) and _LANGUAGE.fullmatch(tag)]
        found |= {"ui_locales_supported": known} if known else {}
    return found


def _fault(document: Mapping[str, object]) -> str:
    """What Authlib's reading of RFC 8414 2 finds wrong; empty for nothing."""
    try:
        AuthorizationServerMetadata(document).validate()
    except ValueError as error:
        return str(error)
    return ""


def _hosts(source: Mapping[str, object]) -> set[str | None]:
    values = [value for name, value in source.items() if name == "issuer" or name.endswith(("_endpoint", "jwks_uri"))]
    return {_host(value) for value in values if isinstance(value, str)} - {None}


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _kept(name: str, value: object) -> object | None:
    """A member of the server's own document as it passes, or None."""
    if not _MEMBER_NAME.fullmatch(name) or _NOT_KEPT.fullmatch(name):
        return None
    if _LINK_MEMBER.fullmatch(name) and not (isinstance(value, str) and is_link(value)):
        return None
    return _pruned(value, _MAX_DEPTH)


def _pruned(value: object, depth: int) -> object | None:
    """Without nulls and empty containers at any level (RFC 9728 3.2); None when nothing is left."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value or None
    if depth and isinstance(value, Mapping):
        return {key: kept for key, item in value.items() if (kept := _pruned(item, depth - 1)) is not None} or None
    if depth and isinstance(value, list | tuple):
        return [kept for item in value if (kept := _pruned(item, depth - 1)) is not None] or None
    return None
