"""Dynamic client registration: an RFC 7591 body to `VerifiedMetadata`, the only thing that may be registered.

Owns which members are understood, their defaults, and what is narrowed, dropped or refused. Members that it does not
know are ignored, privileged ones (`client_id`, `client_secret`, `registration_access_token`, ...) among them. Owns no
credentials and no storage; fetches nothing, whatever URL a body names.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import orjson
from authlib.oauth2.rfc7591 import ClientMetadataClaims  # type: ignore[import-untyped]
from joserfc.errors import JoseError

from sidecar.oauth import members
from sidecar.oauth.authentication import AuthMethod
from sidecar.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, PayloadTooLarge
from sidecar.oauth.members import GRANT_TYPES, MAX_REDIRECT_URIS, RESPONSE_TYPES, ApplicationType, Members
from sidecar.oauth.policy import KNOWN_REDIRECTS, KNOWN_SCHEMES, RegistrationPolicy, Verdict
from sidecar.oauth.texts import is_plain

__all__ = [
    "AUTH_METHODS",
    "GRANT_TYPES",
    "KNOWN_REDIRECTS",
    "KNOWN_SCHEMES",
    "RESPONSE_TYPES",
    "RegistrationPolicy",
    "VerifiedMetadata",
    "parse_json",
    "verify",
]

MAX_BODY = 64 * 1024
MAX_DOCUMENT = 8 * 1024
"""What is kept of a body: real clients register less than one KiB."""
AUTH_METHODS: tuple[AuthMethod, ...] = ("none", "client_secret_post", "client_secret_basic")

_LINKS = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
_TEXTS = ("client_name", "software_id", "software_version")
_LOCALIZED = re.compile(r"(client_name|client_uri|logo_uri|policy_uri|tos_uri)#(.*)", re.DOTALL)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
# A second opinion on the finished document, by the rules of RFC 7591 2 as Authlib reads them.
_SUPPORTED = {"token_endpoint_auth_methods_supported": list(AUTH_METHODS)}


@dataclass(frozen=True, slots=True)
class VerifiedMetadata:
    """A registration as it will be: checked, narrowed, defaults filled in."""

    redirect_uris: tuple[str, ...]
    dropped_redirect_uris: tuple[str, ...]
    """Well formed, but refused by policy. Not part of the registration."""
    auth_method: AuthMethod
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    application_type: ApplicationType = ""
    scopes: tuple[str, ...] = ()
    """Empty: none registered."""
    client_name: str = ""
    client_uri: str = ""
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """The other members that are echoed."""

    @property
    def refresh(self) -> bool:
        return "refresh_token" in self.grant_types

    def document(self) -> dict[str, object]:
        """Everything registered, defaults and substitutions included (RFC 7591 3.2.1); nothing null, nothing empty."""
        members: dict[str, object] = {
            "redirect_uris": list(self.redirect_uris),
            "token_endpoint_auth_method": self.auth_method,
            "grant_types": list(self.grant_types),
            "response_types": list(self.response_types),
            "application_type": self.application_type,
            "scope": " ".join(self.scopes),
            "client_name": self.client_name,
            "client_uri": self.client_uri,
            **self.extra,
        }
        return {name: value for name, value in members.items() if value}


def parse_json(body: bytes) -> object:
    """Bounded in size and depth. Raises PayloadTooLarge or InvalidClientMetadata."""
    if len(body) > MAX_BODY:
        raise PayloadTooLarge(reason=f"a body of {len(body)} bytes")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidClientMetadata("The body is not valid JSON.") from None


def verify(body: object, policy: RegistrationPolicy, *, scopes: tuple[str, ...]) -> VerifiedMetadata:
    """The metadata to register. `scopes` is what the issuer's servers offer.

    Raises InvalidRedirectUri or InvalidClientMetadata (RFC 7591 3.2.2), and nothing else, whatever `body` is.
    """
    given = members.present(body)
    kept, dropped = _redirect_uris(given, policy)
    # Keys are of no use here, so they are not registered; still, a body that contradicts itself is refused.
    members.key_set(given)
    members.link(given, "jwks_uri")
    links = {name: value for name in _LINKS if (value := members.link(given, name))}
    texts = {name: value for name in _TEXTS if (value := members.text(given, name))}
    verified = VerifiedMetadata(
        redirect_uris=kept,
        dropped_redirect_uris=dropped,
        auth_method=_auth_method(given),
        grant_types=members.grant_types(given),
        response_types=members.response_types(given),
        application_type=members.application_type(given),
        # Narrowed to what is offered, not refused (RFC 7591 2).
        scopes=tuple(scope for scope in members.scope(given) if scope in scopes and _within(scope, policy)),
        client_name=texts.pop("client_name", ""),
        client_uri=links.pop("client_uri", ""),
        extra=MappingProxyType({**links, **texts, **_contacts(given), **dict(_localized(given))}),
    )
    if len(orjson.dumps(verified.document())) > MAX_DOCUMENT:
        raise InvalidClientMetadata("The metadata is too large.")
    _second_opinion(verified)
    return verified


def _redirect_uris(given: Members, policy: RegistrationPolicy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kept and dropped. One dangerous URI refuses the whole registration: nobody registers `javascript:` by mistake."""
    if "redirect_uris" not in given:
        raise InvalidRedirectUri("The redirect_uris are missing.")
    uris = members.strings(given, "redirect_uris", MAX_REDIRECT_URIS)
    verdicts = {uri: policy.judge(uri) for uri in uris}
    if Verdict.DANGEROUS in verdicts.values():
        raise InvalidRedirectUri(reason="a dangerous or malformed redirect URI")
    kept = tuple(uri for uri, verdict in verdicts.items() if verdict is Verdict.ALLOWED)
    if not kept:
        raise InvalidRedirectUri(reason="policy allows none of the redirect URIs")
    return kept, tuple(uri for uri in verdicts if uri not in kept)


def _auth_method(given: Members) -> AuthMethod:
    """RFC 7591 2: client_secret_basic unless said otherwise.

    An unknown method is refused, not replaced: a client that asks for `private_key_jwt` has no use for a secret.
    """
    method = members.string(given, "token_endpoint_auth_method") or "client_secret_basic"
    for known in AUTH_METHODS:
        if method == known:
            return known
    raise InvalidClientMetadata("The token_endpoint_auth_method is not supported.")


def _within(scope: str, policy: RegistrationPolicy) -> bool:
    return not policy.scopes or scope in policy.scopes


def _contacts(given: Members) -> dict[str, object]:
    contacts = members.strings(given, "contacts") if "contacts" in given else []
    if not all(contact and is_plain(contact) for contact in contacts):
        raise InvalidClientMetadata("A contact is too long or has characters that are not shown.")
    return {"contacts": contacts} if contacts else {}


def _localized(given: Members) -> Iterator[tuple[str, str]]:
    """RFC 7591 2.2: `client_name#ja` and its like, held to the rules of their base."""
    for name in given:
        found = _LOCALIZED.fullmatch(name)
        if found is None:
            continue
        if not _LANGUAGE.fullmatch(found[2]):
            raise InvalidClientMetadata("A language tag is malformed.")
        value = members.text(given, name) if found[1] == "client_name" else members.link(given, name)
        if value:
            yield name, value


def _second_opinion(verified: VerifiedMetadata) -> None:
    # Redirect URIs stay out: Authlib wants a host in each, which private-use URIs need not have.
    document = {name: value for name, value in verified.document().items() if name != "redirect_uris"}
    try:
        ClientMetadataClaims(document, {}, ClientMetadataClaims.get_claims_options(_SUPPORTED)).validate()
    except JoseError:
        raise InvalidClientMetadata(reason="refused by the second opinion") from None
