"""What we know of a pool's provider, from its settings, its preset and its discovery document: pure.

Owns where the document is, whether it may be believed (RFC 8414 3.3, OpenID Connect Discovery 4.3) and which value
wins: the pool's, then the preset's, then the document's. The fetch is `discovery`'s.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from sidecar.records import Pool
from sidecar.upstream.base import UpstreamMalformed, UpstreamMisconfigured
from sidecar.upstream.messages import client_auth
from sidecar.upstream.quirks import ClientAuth, Quirks, is_single_tenant, tenant, uses_id_token

TENANT = "{tenantid}"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint", "jwks_uri")
_DISCOVERED = (*ENDPOINTS, "introspection_endpoint")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GUID_PATH = re.compile(rf"/(tfp/)?(?P<guid>{_GUID.pattern})(/[A-Za-z0-9_-]+)?/v2\.0/?")


@dataclass(frozen=True, slots=True)
class Provider:
    """Everything a sign-in needs. Empty: the provider has none."""

    issuer: str
    """As discovered: may hold the tenant template."""
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    auth: ClientAuth
    sends_iss: bool
    """It advertises RFC 9207, so an answer without `iss` is not its."""
    refresh_endpoint: str = ""
    """Where refresh tokens go; empty: to the token endpoint."""
    introspection_endpoint: str = ""

    @classmethod
    def of(cls, pool: Pool, quirks: Quirks, document: Mapping[str, Any] | None) -> "Provider":
        found = document or {}
        values = {name: getattr(pool, name) or getattr(quirks, name, "") or found.get(name, "") for name in ENDPOINTS}
        values["revocation_endpoint"] = _revocation(pool, quirks, values)
        for name, value in values.items():
            if value and not is_safe_url(value):
                raise UpstreamMisconfigured(f"{name} must be https, or http on loopback")
            if not value and name in {"authorization_endpoint", "token_endpoint"}:
                raise UpstreamMisconfigured(f"neither the settings nor the provider's document name {name}")
        return cls(
            issuer=found.get("issuer", "") or pool.issuer or quirks.issuer,
            auth=client_auth(pool, quirks, document),
            sends_iss=found.get("authorization_response_iss_parameter_supported") is True,
            refresh_endpoint=quirks.refresh_endpoint and urljoin(values["token_endpoint"], quirks.refresh_endpoint),
            introspection_endpoint=found.get("introspection_endpoint", ""),
            **values,
        )


def needs_document(pool: Pool, quirks: Quirks) -> bool:
    """Explicit endpoints win, and when they are complete nothing is discovered."""
    needed = ["authorization_endpoint", "token_endpoint"]
    if uses_id_token(pool):
        needed.append("jwks_uri")
    elif quirks.identity != "token_answer":
        needed.append("introspection_endpoint" if quirks.identity == "introspection" else "userinfo_endpoint")
    return any(not getattr(pool, name, "") and not getattr(quirks, name, "") for name in needed)


def document_urls(pool: Pool, quirks: Quirks) -> tuple[str, ...]:
    """Where to ask, in order; nowhere when the provider publishes nothing or no issuer is known."""
    issuer = pool.issuer or quirks.issuer
    if not issuer or quirks.discovery == "none":
        return ()
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    openid = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    # RFC 8414 3.1: the well-known segment goes between host and path.
    oauth = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}"
    return (openid, oauth) if quirks.discovery == "oidc" else (oauth, openid)


def check_document(document: Mapping[str, Any], pool: Pool, quirks: Quirks) -> Mapping[str, Any]:
    """The document, or UpstreamMalformed: one wrong member and nothing of it is used."""
    configured = pool.issuer or quirks.issuer
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or not _same_issuer(issuer, configured, quirks):
        raise UpstreamMalformed("the document's issuer is not the configured one, byte for byte")
    for name in _DISCOVERED:
        if name in document and not is_safe_url(document[name], loopback=is_loopback(configured)):
            raise UpstreamMalformed(f"the document's {name} is not an https URL")
    return document


def is_safe_url(url: object, *, loopback: bool = True) -> bool:
    """https, or http on loopback where that is allowed; a plain URL without credentials or fragment."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or "#" in url or "\\" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and loopback and is_loopback(url))


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_issuer(iss: str, provider_issuer: str) -> bool:
    """Whether an authorization response's `iss` is this provider's (RFC 9207 2.4)."""
    before, template, after = provider_issuer.partition(TENANT)
    if not template:
        return iss == provider_issuer
    fits = iss.startswith(before) and iss.endswith(after)
    return fits and bool(_GUID.fullmatch(iss.removeprefix(before).removesuffix(after)))


def issuer_of(provider_issuer: str, claims: Mapping[str, Any]) -> str:
    """The `iss` that these claims must have: the template filled with their own tenant, which must be a GUID."""
    if TENANT not in provider_issuer:
        return provider_issuer
    tid = claims.get("tid")
    if not isinstance(tid, str) or not _GUID.fullmatch(tid):
        raise UpstreamMalformed("the id_token names no tenant")
    return provider_issuer.replace(TENANT, tid)


def _revocation(pool: Pool, quirks: Quirks, found: Mapping[str, str]) -> str:
    """A preset's is beside the userinfo endpoint in use, so that another deployment's tokens do not go elsewhere."""
    if pool.revocation_endpoint or not quirks.revocation_endpoint:
        return found["revocation_endpoint"]
    beside = quirks.revocation_endpoint.format(client_id=quote(pool.client_id, safe=""))
    return urljoin(found["userinfo_endpoint"], beside)


def _same_issuer(discovered: str, configured: str, quirks: Quirks) -> bool:
    if discovered == configured:
        return True
    if quirks.issuer_check == "tenant_guid":
        return _is_tenants(discovered, configured)
    if quirks.issuer_check != "tenant_template":
        return False
    name = tenant(configured)
    before, _, after = configured.partition(f"/{name}/")
    if not name or not discovered.startswith(before + "/") or not discovered.endswith("/" + after):
        return False
    filled = discovered.removeprefix(before + "/").removesuffix("/" + after)
    # `common` answers with the template; a tenant's domain name, and `consumers`, with the tenant's GUID.
    if filled == TENANT:
        return not is_single_tenant(configured)
    return bool(_GUID.fullmatch(filled)) and not _GUID.fullmatch(name) and name not in {"common", "organizations"}


def _is_tenants(discovered: str, configured: str) -> bool:
    """The same place, but the tenant by its GUID: `/<guid>/v2.0/`, or with a policy `/tfp/<guid>/<policy>/v2.0/`."""
    said, ours = urlsplit(discovered), urlsplit(configured)
    if (said.scheme, said.netloc) != (ours.scheme, ours.netloc) or said.query or said.fragment:
        return False
    found = _GUID_PATH.fullmatch(said.path)
    named = tenant(configured)
    return found is not None and (not _GUID.fullmatch(named) or named.lower() == found["guid"].lower())
