"""Self-describing client ids: a sealed record of what security needs, so that losing the store strands nobody.

    dcr1-  base64url( key id 2 | AES-SIV( flags 1 | issued at 4 | random 12 | deflated redirect URIs ) )
    dcr1s- base64url( key id 2 | random 18 )       for a body that would pass 255 characters: the store keeps it, sealed

A client that was changed (RFC 7592) keeps its id; the store has its new body, sealed in the same way.

Issuer and pool id are associated data: an id is a client's at one issuer, under one pool, only. The client secret and
the registration access token are derived from the id, so neither is stored anywhere. Owns no policy: what may be
registered was decided before, and is decided again at every use.
"""

import hmac
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass

from sidecar.clock import Entropy
from sidecar.records import ApplicationType, AuthMethod, Client, ClientKind
from sidecar.sealing import CompactSealer, Keyring, SealError, length_prefixed

MAX_LENGTH = 255
_SELF, _STORED = "dcr1-", "dcr1s-"
_METHODS: tuple[AuthMethod, ...] = ("none", "client_secret_post", "client_secret_basic")
_TYPES: tuple[ApplicationType, ...] = ("", "native", "web")
_HEAD_BYTES = 1 + 4 + 12
# What known clients register, most common last (deflate prefers near matches). Only ever appended to under a new
# format prefix: an id made with one dictionary opens with no other.
_DICTIONARY = (
    b"https://www.perplexity.ai/rest/connections/oauth_callback\nhttps://chatgpt.com/connector_platform_oauth_redirect\n"
    b"https://chatgpt.com/connector/oauth/\nhttps://oauth.pstmn.io/v1/callback\nhttp://localhost:6274/oauth/callback\n"
    b"http://localhost:6274/oauth/callback/debug\nvscode://vscode.github-authentication/did-authenticate\n"
    b"https://www.cursor.com/agents/mcp/oauth/callback\ncursor://anysphere.cursor-mcp/oauth/callback\n"
    b"cursor://anysphere.cursor-retrieval/oauth/user-mcp/callback\nhttps://insiders.vscode.dev/redirect\n"
    b"https://vscode.dev/redirect\nhttp://127.0.0.1/\nhttp://127.0.0.1:33418/\nhttps://claude.com/api/mcp/auth_callback\n"
    b"https://claude.ai/api/mcp/auth_callback\nhttp://[::1]:\nhttp://127.0.0.1:\nhttp://localhost/callback\n"
    b"http://127.0.0.1/callback\nhttp://localhost:3334/oauth/callback"
)


@dataclass(frozen=True, slots=True)
class SealedBody:
    """A client id and, for the store-only kind, the sealed body that the store must keep."""

    client_id: str
    stored: bytes = b""


@dataclass(frozen=True, slots=True)
class ClientIds:
    keyring: Keyring
    entropy: Entropy

    def issue(
        self,
        *,
        issuer: str,
        pool_id: str,
        redirect_uris: tuple[str, ...],
        auth_method: AuthMethod,
        application_type: ApplicationType,
        refresh: bool,
        now: int,
    ) -> SealedBody:
        body = self._body(redirect_uris, auth_method, application_type, now, refresh=refresh)
        client_id = _SELF + _encode(self._sealer().seal(body, _aad(issuer, pool_id)))
        if len(client_id) <= MAX_LENGTH:
            return SealedBody(client_id)
        client_id = _STORED + _encode(self.keyring.active.to_bytes(2, "big") + self.entropy(18))
        return SealedBody(client_id, self._sealer().seal(body, _aad(issuer, pool_id, client_id)))

    def change(self, client: Client) -> bytes:
        """The sealed body for the store that makes this id say from now on what `client` says (RFC 7592 2.2)."""
        body = self._body(
            client.redirect_uris,
            client.auth_methods[0],
            client.application_type,
            client.issued_at,
            refresh=client.refresh,
        )
        return self._sealer().seal(body, _aad(client.issuer, client.pool_id, client.id))

    def needs_store(self, client_id: str) -> bool:
        """Whether this id says nothing without the body that the store keeps."""
        return client_id.startswith(_STORED)

    def open(self, client_id: str, *, issuer: str, pool_id: str, stored: bytes = b"") -> Client | None:
        """The client, or None for any id that is not this issuer's and this pool's.

        A body that the store keeps goes before the id's own: the client was changed. One that does not open denies.
        """
        try:
            self.keyring.derive(_key_of(client_id), "client-id", 64)  # no client outlives the key of its secret
            if stored or self.needs_store(client_id):
                body = self._sealer().open(stored, _aad(issuer, pool_id, client_id))
            elif client_id.startswith(_SELF) and len(client_id) <= MAX_LENGTH:
                body = self._sealer().open(_decode(client_id[len(_SELF) :]), _aad(issuer, pool_id))
            else:
                return None
        except (SealError, ValueError):
            return None
        inflate = zlib.decompressobj(-15, _DICTIONARY)
        uris = inflate.decompress(body[_HEAD_BYTES:]).decode()
        return Client(
            id=client_id,
            kind=ClientKind.DCR,
            issuer=issuer,
            pool_id=pool_id,
            redirect_uris=tuple(uris.split("\n")),
            auth_methods=(_METHODS[body[0] & 3],),
            application_type=_TYPES[body[0] >> 2 & 3],
            refresh=bool(body[0] >> 4 & 1),
            issued_at=int.from_bytes(body[1:5], "big"),
        )

    def key_of(self, client_id: str) -> int | None:
        """Which key made this id, if it has the form of one of ours: what ends when the key is retired."""
        if not client_id.startswith((_SELF, _STORED)):
            return None
        try:
            return _key_of(client_id)
        except ValueError:
            return None

    def secret(self, client_id: str) -> str:
        """The client secret (43 unreserved characters). Raises SealError when the id's key is retired."""
        return self._derive(client_id, "client-secret")

    def registration_token(self, client_id: str, version: int = 1) -> str:
        """RFC 7592's registration access token. Raises SealError when the id's key is retired."""
        return "dcrm_" + self._derive(client_id, f"registration-token/{version}")

    def secret_matches(self, client_id: str, presented: str) -> bool:
        return _matches(self.secret, client_id, presented)

    def registration_token_matches(self, client_id: str, presented: str) -> bool:
        return _matches(self.registration_token, client_id, presented)

    def _body(
        self,
        redirect_uris: tuple[str, ...],
        auth_method: AuthMethod,
        application_type: ApplicationType,
        now: int,
        *,
        refresh: bool,
    ) -> bytes:
        flags = _METHODS.index(auth_method) | _TYPES.index(application_type) << 2 | int(refresh) << 4
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
        uris = deflate.compress("\n".join(redirect_uris).encode()) + deflate.flush()
        return bytes([flags]) + now.to_bytes(4, "big") + self.entropy(12) + uris

    def _derive(self, client_id: str, purpose: str) -> str:
        return _encode(self.keyring.mac(_key_of(client_id), purpose, client_id.encode()))

    def _sealer(self) -> CompactSealer:
        return CompactSealer(self.keyring, "client-id")


def _matches(derive: Callable[[str], str], client_id: str, presented: str) -> bool:
    """In constant time; False for an id from which nothing can be derived."""
    try:
        expected = derive(client_id)
    except (SealError, ValueError):
        return False
    return hmac.compare_digest(expected.encode(), presented.encode(errors="surrogatepass"))


def _key_of(client_id: str) -> int:
    """Raises ValueError for an id that is not base64url."""
    return int.from_bytes(_decode(client_id.removeprefix(_STORED).removeprefix(_SELF))[:2], "big")


def _aad(*parts: str) -> bytes:
    return length_prefixed(*parts)


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    """Raises ValueError for anything but the one canonical form."""
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
