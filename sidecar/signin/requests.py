"""The check of an authorization request: from a client's parameters to a request that may be shown to the user.

Nothing is told to the client before client and redirect URI are verified; from then on every error goes back to it
(RFC 6749 4.1.2.1). Stores nothing. Owns no policy about which clients exist: `clients` does.
"""

from dataclasses import dataclass
from typing import Protocol

from sidecar.clients import UnusableDocument
from sidecar.clock import Entropy
from sidecar.directory import Directory, Issuer, Server, same_resource
from sidecar.events import Recorder, reference
from sidecar.oauth import pkce, redirects
from sidecar.oauth.errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    TooManyRequests,
    UnsupportedResponseType,
)
from sidecar.oauth.params import AuthorizationParams, authorization_params
from sidecar.records import AuthorizationRequest, Client, Pool
from sidecar.signin.problems import (
    MalformedRequest,
    TooManyFetches,
    Unavailable,
    UnknownClient,
    UnusableDescription,
    WrongRedirect,
    refused,
)
from sidecar.store.base import StoreError
from sidecar.upstream.base import UpstreamUnavailable


class KnownClients(Protocol):
    async def resolve(self, issuer: Issuer, pool: Pool, client_id: str, source: str) -> Client | None:
        """The client as policy sees it now; None when it is unknown or may not be used any more."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An authorization request that may be shown, with whom and what it names."""

    request: AuthorizationRequest
    client: Client
    server: Server
    pool: Pool


@dataclass(frozen=True, slots=True)
class Requests:
    directory: Directory
    clients: KnownClients
    entropy: Entropy
    recorder: Recorder

    def read(self, issuer: Issuer, raw: str | bytes) -> AuthorizationParams:
        """The parameters, from a raw query or form. Raises AuthorizationError for what cannot be read at all."""
        try:
            return authorization_params(raw)
        except InvalidRequest as error:
            problem = MalformedRequest(reason=error.reason)
            raise refused(self.recorder, problem, step="authorize", issuer=issuer.url) from error

    async def check(self, issuer: Issuer, pool: Pool, params: AuthorizationParams, source: str) -> Checked:
        """Raises AuthorizationError; its `redirect_to` is set once the redirect URI is known to be the client's."""
        try:
            client = await self.client(issuer, pool, _single_client_id(params), source)
            redirect_uri = _redirect_uri(client, params)
        except OAuthError as problem:
            raise self._refused(issuer, params, problem) from problem
        try:
            _check_shape(params)
            server = _server(self.directory.servers_of(issuer), params.resources)
            scopes = _scopes(server, client, params.scopes)
        except OAuthError as error:
            raise self._refused(issuer, params, error, redirect_uri) from error
        request = AuthorizationRequest(
            issuer=issuer.url,
            client_id=client.id,
            client_name=client.name,
            redirect_uri=redirect_uri,
            redirect_uri_sent=params.redirect_uri is not None,
            server=server.name,
            resource=server.resource,
            scopes=scopes,
            state=params.state,
            code_challenge=params.code_challenge or "",
            reference=reference.get() or self.entropy(8).hex(),
        )
        return Checked(request, client, server, pool)

    async def recheck(self, issuer: Issuer, pool: Pool, request: AuthorizationRequest, source: str) -> Checked:
        """The same request later: client, its name, redirect URI and server must still stand (design 8).

        Raises Problem while there is no verified redirect URI, any other OAuthError once there is.
        """
        client = await self.client(issuer, pool, request.client_id, source)
        if not redirects.matches(client.redirect_uris, request.redirect_uri):
            raise WrongRedirect(reason="the redirect URI is not registered any more")
        if client.name != request.client_name:
            raise InvalidRequest("The client was changed meanwhile.", reason="the client has another name now")
        server = self.directory.server(request.server)
        if server is None or (server.issuer, server.resource) != (issuer.url, request.resource) or not server.pool:
            raise InvalidTarget(reason="the server was changed or taken away meanwhile")
        if not set(server.base_scopes) <= set(request.scopes) <= set(_open_to(client, server)):
            raise InvalidTarget(reason="the server's scopes, or those of the client, were changed meanwhile")
        return Checked(request, client, server, pool)

    async def client(self, issuer: Issuer, pool: Pool, client_id: str, source: str) -> Client:
        """Raises UnknownClient, UnusableDescription, TooManyFetches, or Unavailable when nobody can say now."""
        try:
            client = await self.clients.resolve(issuer, pool, client_id, source)
        except (StoreError, UpstreamUnavailable) as error:
            raise Unavailable(reason=f"the client could not be read: {error}") from error
        except UnusableDocument as error:
            raise UnusableDescription(reason=error.reason) from error
        except TooManyRequests as error:
            raise TooManyFetches(reason=error.reason, headers=error.headers) from error
        if client is None:
            raise UnknownClient(reason="no such client at this issuer")
        return client

    def _refused(
        self, issuer: Issuer, params: AuthorizationParams, error: OAuthError, redirect_uri: str | None = None
    ) -> Exception:
        # A state that came twice counts as absent: there is no one right value to echo.
        target = redirect_uri and redirects.error_url(redirect_uri, error, state=params.state, iss=issuer.url)
        client = params.client_id if redirect_uri and params.client_id else ""
        return refused(
            self.recorder, error, step="authorize", issuer=issuer.url, client=client, redirect_to=target or None
        )


def _single_client_id(params: AuthorizationParams) -> str:
    if "client_id" in params.repeated or not params.client_id:
        raise MalformedRequest(reason="client_id is missing or repeated")
    return params.client_id


def _redirect_uri(client: Client, params: AuthorizationParams) -> str:
    """The URI to answer at. Raises Problem: whatever is wrong here is never told to the address in question."""
    if "redirect_uri" in params.repeated:
        raise WrongRedirect(reason="redirect_uri is repeated")
    if params.redirect_uri is not None:
        if not redirects.matches(client.redirect_uris, params.redirect_uri):
            raise WrongRedirect(reason="redirect_uri is not registered")
        return params.redirect_uri
    # RFC 6749 3.1.2.3: it may be left out when exactly one is registered. A loopback one lacks its port.
    if len(client.redirect_uris) != 1 or redirects.is_loopback(client.redirect_uris[0]):
        raise WrongRedirect(reason="redirect_uri is missing and the client has not exactly one that could be meant")
    return client.redirect_uris[0]


def _check_shape(params: AuthorizationParams) -> None:
    """What is wrong whichever server is meant. Raises OAuthError for the client."""
    if params.repeated:
        raise InvalidRequest("A parameter is repeated.", reason=f"repeated: {', '.join(sorted(params.repeated))}")
    if not params.response_type:
        raise InvalidRequest("response_type is missing.")
    if params.response_type != "code":
        raise UnsupportedResponseType
    # RFC 7636 4.4.1; an absent method means `plain`, which OAuth 2.1 does not have.
    if params.code_challenge is None:
        raise InvalidRequest("code_challenge is missing.")
    if params.code_challenge_method != "S256":
        raise InvalidRequest("code_challenge_method must be S256.")
    if not pkce.valid_challenge(params.code_challenge):
        raise InvalidRequest("code_challenge is not an S256 challenge.")


def _server(servers: tuple[Server, ...], resources: tuple[str, ...]) -> Server:
    """The one server that is meant. Clients of the 2025-03-26 revision send no resource: then there must be one."""
    if not resources:
        if len(servers) != 1:
            raise InvalidTarget("Name the resource: several are protected here.")
        return servers[0]
    if len(resources) > 1:
        raise InvalidTarget("Only one resource can be asked for at a time.")
    for server in servers:
        if same_resource(server.resource, resources[0]):
            return server
    raise InvalidTarget(reason="the resource is none of this issuer's")


def _scopes(server: Server, client: Client, requested: tuple[str, ...] | None) -> tuple[str, ...]:
    """What the server needs at least, plus what was asked for and is open to the client (RFC 6749 3.3).

    The rest is dropped: so `offline_access` and `openid`, which clients add on their own, ask for nothing.
    """
    offered = _open_to(client, server)
    if not set(server.base_scopes) <= set(offered):
        raise InvalidScope("This client may not have the scopes that the server needs.")
    wanted = set(requested or ())
    return tuple(dict.fromkeys([*server.base_scopes, *(scope for scope in offered if scope in wanted)]))


def _open_to(client: Client, server: Server) -> tuple[str, ...]:
    return tuple(scope for scope in server.scopes if client.scopes is None or scope in client.scopes)
