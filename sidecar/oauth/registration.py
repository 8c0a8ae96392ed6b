"""Dynamic client registration: an RFC 7591 body to `VerifiedMetadata`, the only thing that may be registered.

Owns which members are understood, their defaults, and what is narrowed, dropped or refused. Members that it does not
know are ignored, privileged ones (`client_id`, `client_secret`, `registration_access_token`, ...) among them. Owns no
credentials and no storage; fetches nothing, whatever URL a body names.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, cast

import orjson
from authlib.oauth2.rfc7591 import ClientMetadataClaims  # type: ignore[import-untyped]
from joserfc.errors import JoseError

from sidecar.oauth.authentication import AuthMethod
from sidecar.oauth.errors import InvalidClientMetadata, InvalidRedirectUri, PayloadTooLarge
from sidecar.oauth.policy import KNOWN_REDIRECTS, KNOWN_SCHEMES, RegistrationPolicy, Verdict
from sidecar.oauth.texts import is_link, is_plain

__all__ = [
    "AUTH_METHODS",
    "GRANT_TYPES",
    "KNOWN_REDIRECTS",
    "KNOWN_SCHEMES",
    "RegistrationPolicy",
    "VerifiedMetadata",
    "parse_json",
    "verify",
]

MAX_BODY = 64 * 1024
MAX_DOCUMENT = 8 * 1024
"""What is kept of a body: real clients register less than one KiB."""
MAX_REDIRECT_URIS = 16
MAX_LIST = 32
AUTH_METHODS: tuple[AuthMethod, ...] = ("none", "client_secret_post", "client_secret_basic")
GRANT_TYPES = ("authorization_code", "refresh_token")
RESPONSE_TYPES = ("code",)

_LINKS = ("client_uri", "logo_uri", "policy_uri", "tos_uri")
_TEXTS = ("client_name", "software_id", "software_version")
_LOCALIZED = re.compile(r"(client_name|client_uri|logo_uri|policy_uri|tos_uri)#(.*)", re.DOTALL)
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_SCOPE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{0,4096}")  # RFC 6749 3.3
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
    application_type: Literal["", "native", "web"] = ""
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
    if not isinstance(body, dict):
        raise InvalidClientMetadata("The body must be a JSON object.")
    # An absent member, a null one and an empty one say the same.
    members = {name: value for name, value in body.items() if isinstance(name, str) and value not in (None, "", [])}
    kept, dropped = _redirect_uris(members, policy)
    _check_keys(members)
    links = {name: value for name in _LINKS if (value := _link(members, name))}
    texts = {name: value for name in _TEXTS if (value := _text(members, name))}
    verified = VerifiedMetadata(
        redirect_uris=kept,
        dropped_redirect_uris=dropped,
        auth_method=_auth_method(members),
        grant_types=_grant_types(members),
        response_types=_supported(members, "response_types", RESPONSE_TYPES),
        application_type=_application_type(members),
        scopes=_scopes(members, tuple(scope for scope in scopes if not policy.scopes or scope in policy.scopes)),
        client_name=texts.pop("client_name", ""),
        client_uri=links.pop("client_uri", ""),
        extra=MappingProxyType({**links, **texts, **_contacts(members), **dict(_localized(members))}),
    )
    if len(orjson.dumps(verified.document())) > MAX_DOCUMENT:
        raise InvalidClientMetadata("The metadata is too large.")
    _second_opinion(verified)
    return verified


def _redirect_uris(members: Mapping[str, Any], policy: RegistrationPolicy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kept and dropped. One dangerous URI refuses the whole registration: nobody registers `javascript:` by mistake."""
    if "redirect_uris" not in members:
        raise InvalidRedirectUri("The redirect_uris are missing.")
    uris = _strings(members, "redirect_uris", MAX_REDIRECT_URIS)
    verdicts = {uri: policy.judge(uri) for uri in uris}
    if Verdict.DANGEROUS in verdicts.values():
        raise InvalidRedirectUri(reason="a dangerous or malformed redirect URI")
    kept = tuple(uri for uri, verdict in verdicts.items() if verdict is Verdict.ALLOWED)
    if not kept:
        raise InvalidRedirectUri(reason="policy allows none of the redirect URIs")
    return kept, tuple(uri for uri in verdicts if uri not in kept)


def _auth_method(members: Mapping[str, Any]) -> AuthMethod:
    """RFC 7591 2: client_secret_basic unless said otherwise.

    An unknown method is refused, not replaced: a client that asks for `private_key_jwt` has no use for a secret.
    """
    method = _string(members, "token_endpoint_auth_method") or "client_secret_basic"
    for known in AUTH_METHODS:
        if method == known:
            return known
    raise InvalidClientMetadata("The token_endpoint_auth_method is not supported.")


def _grant_types(members: Mapping[str, Any]) -> tuple[str, ...]:
    """Those we have. `refresh_token` alone leads nowhere, so the code grant comes with it (RFC 7591 2.1)."""
    known = _supported(members, "grant_types", GRANT_TYPES, default=GRANT_TYPES[:1])
    return known if "authorization_code" in known else ("authorization_code", *known)


def _supported(
    members: Mapping[str, Any], name: str, supported: tuple[str, ...], default: tuple[str, ...] = ()
) -> tuple[str, ...]:
    if name not in members:
        return default or supported
    known = tuple(dict.fromkeys(value for value in _strings(members, name, MAX_LIST) if value in supported))
    if not known:
        raise InvalidClientMetadata(f"None of the {name} is supported.")
    return known


def _application_type(members: Mapping[str, Any]) -> Literal["", "native", "web"]:
    """Accepted and echoed; forbids nothing, for clients in the field combine it with any redirect URI."""
    value = _string(members, "application_type")
    if value in {"", "native", "web"}:
        return cast("Literal['', 'native', 'web']", value)
    raise InvalidClientMetadata("The application_type must be native or web.")


def _scopes(members: Mapping[str, Any], offered: tuple[str, ...]) -> tuple[str, ...]:
    """Narrowed to what is offered, not refused (RFC 7591 2)."""
    scope = _string(members, "scope")
    if not _SCOPE.fullmatch(scope):
        raise InvalidClientMetadata("The scope is malformed.")
    return tuple(dict.fromkeys(token for token in scope.split(" ") if token in offered))


def _contacts(members: Mapping[str, Any]) -> dict[str, object]:
    contacts = _strings(members, "contacts", MAX_LIST) if "contacts" in members else []
    if not all(contact and is_plain(contact) for contact in contacts):
        raise InvalidClientMetadata("A contact is too long or has characters that are not shown.")
    return {"contacts": contacts} if contacts else {}


def _localized(members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """RFC 7591 2.2: `client_name#ja` and its like, held to the rules of their base."""
    for name in members:
        found = _LOCALIZED.fullmatch(name)
        if found is None:
            continue
        if not _LANGUAGE.fullmatch(found[2]):
            raise InvalidClientMetadata("A language tag is malformed.")
        value = _text(members, name) if found[1] == "client_name" else _link(members, name)
        if value:
            yield name, value


def _check_keys(members: Mapping[str, Any]) -> None:
    """Keys are of no use here, so they are not registered; still, a body that contradicts itself is refused."""
    if "jwks" in members and "jwks_uri" in members:
        raise InvalidClientMetadata("Send jwks or jwks_uri, not both.")
    jwks = members.get("jwks", {"keys": []})
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        raise InvalidClientMetadata("The jwks is malformed.")
    _link(members, "jwks_uri")


def _text(members: Mapping[str, Any], name: str) -> str:
    text = _string(members, name).strip(" ")
    if not is_plain(text):
        raise InvalidClientMetadata("A text is too long or has characters that are not shown.", reason=_shown(name))
    return text


def _link(members: Mapping[str, Any], name: str) -> str:
    """A fragment is cut off: it names a place in a page, and pages of projects are often given with one."""
    link = _string(members, name).strip(" ").partition("#")[0]
    if link and not is_link(link):
        raise InvalidClientMetadata("A link is not a plain http or https URL.", reason=_shown(name))
    return link


def _string(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str):
        raise InvalidClientMetadata("A member that must be a string is not one.", reason=_shown(name))
    return value


def _strings(members: Mapping[str, Any], name: str, limit: int) -> list[str]:
    value = members[name]
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, str) for item in value):
        raise InvalidClientMetadata(f"The {name} must be a list of at most {limit} strings.")
    return value


def _shown(name: str) -> str:
    return f"the member {name[:80]!r}"


def _second_opinion(verified: VerifiedMetadata) -> None:
    # Redirect URIs stay out: Authlib wants a host in each, which private-use URIs need not have.
    document = {name: value for name, value in verified.document().items() if name != "redirect_uris"}
    try:
        ClientMetadataClaims(document, {}, ClientMetadataClaims.get_claims_options(_SUPPORTED)).validate()
    except JoseError:
        raise InvalidClientMetadata(reason="refused by the second opinion") from None
