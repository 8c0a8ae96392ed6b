"""Client id metadata documents: which client ids are URLs of one, and what such a document may say.

draft-ietf-oauth-client-id-metadata-document-02, MCP authorization 2026-07-28. Owns the shape of the URL and the reading
of the document. Members that it does not know are ignored, as in a registration. Fetches nothing; whether a redirect
URI is one that the operator lets in is judged at each use, by `policy`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.oauth import members
from sidecar.oauth.authentication import AuthMethod
from sidecar.oauth.errors import InvalidClientMetadata
from sidecar.oauth.members import MAX_REDIRECT_URIS, ApplicationType, Members
from sidecar.oauth.policy import RegistrationPolicy, Verdict
from sidecar.oauth.uris import Uri, parse

MAX_URL = 512
METHODS: tuple[AuthMethod, ...] = ("none", "private_key_jwt")
"""No shared secret can exist between us and a document (draft section 4)."""
MAX_KEYS = 32

# What one server takes for a separator and another for a letter: `/`, `\`, `%` itself and the controls, encoded.
_AMBIGUOUS = re.compile(r"%(?:2f|5c|25|[01][0-9a-f]|7f)", re.IGNORECASE)
_ASYMMETRIC = ("RSA", "EC", "OKP")
# RFC 7518 6.2.2, 6.3.2, 6.4.1, RFC 8037 2; `priv` of the newer key types.
_SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
# What is dangerous is dangerous under every policy.
_ANY_POLICY = RegistrationPolicy()


@dataclass(frozen=True, slots=True)
class ClientDocument:
    """A document that was read: whose it is stands in its URL, everything else it says of itself."""

    url: str
    """The client id, byte for byte."""
    name: str
    redirect_uris: tuple[str, ...]
    """Well formed and harmless; what the operator's policy makes of them is another matter."""
    auth_methods: tuple[AuthMethod, ...] = ("none",)
    """Any of these, the one it prefers first."""
    uri: str = ""
    jwks_uri: str = ""
    jwks: Mapping[str, object] | None = None
    application_type: ApplicationType = ""
    refresh: bool = True
    """Whether it lists the `refresh_token` grant type."""


def is_document_url(client_id: str) -> bool:
    """Whether a document may be looked for there (draft section 3). One spelling a host, so that one string is one id.

    A query is refused, which the draft leaves open (SHOULD NOT): many hosts have a page that repeats its query, and
    anybody could make such a host speak for anybody. No client in the field has one. A port is let through here; which
    ones are connected to is the fetcher's business.
    """
    uri = _clean(client_id)
    return uri is not None and "?" not in uri.rest and uri.rest not in {"", "/"}


def read(url: str, body: object) -> ClientDocument:
    """What the document at `url` says. Raises InvalidClientMetadata, and nothing else, whatever `body` is."""
    given = members.present(body)
    # Draft section 4: simple string comparison (RFC 3986 6.2.1).
    if given.get("client_id") != url or not is_document_url(url):
        raise InvalidClientMetadata("The document's client_id is not its own URL.")
    if isinstance(body, dict) and any(str(name).startswith("client_secret") for name in body):
        raise InvalidClientMetadata("A client id metadata document has no client secret.")
    name = members.text(given, "client_name")
    if not name:
        raise InvalidClientMetadata("The client_name is missing.")
    members.response_types(given)
    methods, jwks = _auth_methods(given), members.key_set(given)
    jwks_uri = members.string(given, "jwks_uri")
    if jwks_uri and _clean(jwks_uri) is None:
        raise InvalidClientMetadata("The jwks_uri is not a plain https URL.")
    if "private_key_jwt" in methods and jwks is None and not jwks_uri:
        raise InvalidClientMetadata("private_key_jwt needs jwks or jwks_uri.")
    return ClientDocument(
        url=url,
        name=name,
        redirect_uris=_redirect_uris(given),
        auth_methods=methods,
        uri=members.link(given, "client_uri"),
        jwks_uri=jwks_uri,
        jwks=None if jwks is None else read_keys(jwks),
        application_type=members.application_type(given),
        refresh="refresh_token" in members.grant_types(given),
    )


def read_keys(body: object) -> dict[str, Any]:
    """A JWK set (RFC 7517 5) of public keys. Raises InvalidClientMetadata.

    One secret in it refuses it all: who publishes a private key has lost it. Keys of a kind that we do not know are
    left for the verifier to pass over, as long as there is one that we do.
    """
    keys = body.get("keys") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise InvalidClientMetadata(f"The jwks is not a JWK set of at most {MAX_KEYS} keys.")
    if not all(isinstance(key, dict) for key in keys):
        raise InvalidClientMetadata("The jwks is malformed.")
    if any(key.get("kty") == "oct" or not _SECRET_MEMBERS.isdisjoint(key) for key in keys):
        raise InvalidClientMetadata("The jwks holds a private or symmetric key.")
    if not any(key.get("kty") in _ASYMMETRIC for key in keys):
        raise InvalidClientMetadata("The jwks has no key of a known type.")
    return body


def _clean(url: str) -> Uri | None:
    """An https URL that everybody's parser reads the same way (`uris`), or None."""
    uri = parse(url) if len(url) <= MAX_URL and not _AMBIGUOUS.search(url) else None
    if uri is None or uri.scheme != "https" or not uri.host or uri.host != uri.host.lower():
        return None
    return uri


def _redirect_uris(given: Members) -> tuple[str, ...]:
    if "redirect_uris" not in given:
        raise InvalidClientMetadata("The redirect_uris are missing.")
    uris = members.strings(given, "redirect_uris", MAX_REDIRECT_URIS)
    if any(_ANY_POLICY.judge(uri) is Verdict.DANGEROUS for uri in uris):
        raise InvalidClientMetadata("A redirect URI is not allowed.", reason="a dangerous or malformed redirect URI")
    return tuple(dict.fromkeys(uris))


def _auth_methods(given: Members) -> tuple[AuthMethod, ...]:
    """What it declares first, then what it lists beside that (OpenID Connect RP Metadata Choices 2).

    ChatGPT declares `private_key_jwt` and lists `none` too. With neither member it is a public client: RFC 7591's
    default would be a shared secret. Of what it only lists, what we do not know is passed over; what rests on a shared
    secret refuses the document (draft section 4).
    """
    declared = members.string(given, "token_endpoint_auth_method")
    name = "token_endpoint_auth_methods_supported"
    listed = members.strings(given, name) if name in given else []
    named = [declared, *listed] if declared else listed or ["none"]
    if any(method.startswith("client_secret") for method in named):
        raise InvalidClientMetadata("A client id metadata document has no client secret.", reason="its auth method")
    methods = tuple(known for method in dict.fromkeys(named) for known in METHODS if method == known)
    if not methods:
        raise InvalidClientMetadata("The token_endpoint_auth_method is not supported.")
    return methods
