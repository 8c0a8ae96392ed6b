"""The browser's return from the IdP: whose sign-in it is, what the IdP says, whether the user may, and our code.

A stranger's visit changes nothing (design 12.3): the store compares the browser's binding before it gives the
transaction out, once. Owns neither how the IdP is asked (`upstream`) nor what a grant is (`grants`).
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from sidecar.admission import admits
from sidecar.clients.turns import aside
from sidecar.clock import Clock
from sidecar.directory import Issuer, Server
from sidecar.events import Recorder, SignedIn, reference
from sidecar.grants.creation import GrantCreation
from sidecar.oauth import redirects
from sidecar.oauth.errors import AccessDenied, AuthorizationError, OAuthError, ServerError, TemporarilyUnavailable
from sidecar.records import (
    AuthorizationRequest,
    Identity,
    Lifetimes,
    Pool,
    Transaction,
)
from sidecar.sealing import SealError
from sidecar.signin.forms import Transactions, transaction_key
from sidecar.signin.problems import (
    Interrupted,
    MalformedReturn,
    OtherBrowser,
    Problem,
    ReturnGone,
    Unavailable,
    refused,
)
from sidecar.signin.requests import Checked, Requests
from sidecar.store import base as store
from sidecar.upstream.base import SignIn, Upstream, UpstreamError, UpstreamUnavailable, UpstreamUnknown

_MAX_FIELDS = 64
_SINGLE = ("state", "code", "error", "iss")


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What the IdP sent the browser back with (RFC 6749 4.1.2, RFC 9207 2); exactly one of `code` and `error`."""

    state: str
    code: str
    error: str
    iss: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The IdP knows the user, the server's `allow` rule does not. The page offers `location`: the client's error."""

    identity: Identity
    server: Server
    pool: Pool
    client_name: str
    location: str


@dataclass(frozen=True, slots=True)
class Returns:
    requests: Requests
    transactions: Transactions
    store: store.Transactions
    upstream: Upstream
    creation: GrantCreation
    lifetimes: Lifetimes
    clock: Clock
    recorder: Recorder

    def read(self, issuer: Issuer, query: str) -> UpstreamAnswer:
        """Raises AuthorizationError for a query that is not one answer to one sign-in."""
        try:
            return _answer(query)
        except MalformedReturn as problem:
            raise refused(self.recorder, problem, step="callback", issuer=issuer.url) from problem

    async def returned(
        self, issuer: Issuer, pool: Pool, answer: UpstreamAnswer, binding: str, source: str
    ) -> str | Refusal:
        """The URL that takes our code to the client, or why the user may not. Raises AuthorizationError."""
        try:
            transaction = await self._taken(issuer, pool, answer.state, binding)
        except Problem as problem:
            raise refused(self.recorder, problem, step="callback", issuer=issuer.url) from problem
        request = transaction.request
        reference.set(request.reference)
        try:
            checked = await self._rechecked(issuer, pool, request, source)
            _check_upstream_error(answer.error)
            signed_in = await self._sign_in(issuer, pool, transaction, answer)
            if not admits(checked.server.allow, signed_in.identity, signed_in.claims):
                return self._not_admitted(issuer, checked, signed_in.identity)
            return await self._granted(issuer, checked, signed_in, transaction.upstream_client)
        except OAuthError as error:
            raise self._failed(issuer, request, error) from error

    async def _taken(self, issuer: Issuer, pool: Pool, handle: str, binding: str) -> Transaction:
        try:
            taken = await self.store.take(transaction_key(issuer, handle), binding)
        except store.StoreError as error:
            raise Unavailable(reason=f"the transaction could not be read: {error}") from error
        if taken.outcome == "stranger":
            raise OtherBrowser(reason="the browser did not bring the cookie of this transaction")
        if taken.outcome == "gone":
            raise ReturnGone(reason="no such transaction: finished, expired or never started")
        try:
            transaction = self.transactions.open(handle, taken.sealed)
        except SealError as error:
            raise ReturnGone(reason=f"the transaction does not open: {error}") from error
        if self.clock() >= transaction.created_at + self.lifetimes.transaction:
            raise ReturnGone(reason="the transaction has expired")
        if (transaction.request.issuer, transaction.pool_id) != (issuer.url, pool.id):
            raise ReturnGone(reason="the transaction belongs to another issuer or to a pool that was replaced")
        return transaction

    async def _rechecked(self, issuer: Issuer, pool: Pool, request: AuthorizationRequest, source: str) -> Checked:
        try:
            return await self.requests.recheck(issuer, pool, request, source)
        except Unavailable as error:
            # The transaction is taken, so reloading the page would not help.
            raise Interrupted(reason=error.reason) from error

    async def _sign_in(self, issuer: Issuer, pool: Pool, transaction: Transaction, answer: UpstreamAnswer) -> SignIn:
        try:
            async with aside():
                return await self.upstream.sign_in(
                    pool,
                    code=answer.code,
                    redirect_uri=issuer.endpoint("callback"),
                    verifier=transaction.upstream_verifier,
                    nonce=transaction.nonce,
                    iss=answer.iss,
                    client_id=transaction.upstream_client,
                )
        except (UpstreamUnavailable, UpstreamUnknown) as error:
            raise TemporarilyUnavailable(reason=f"the identity provider does not answer: {error}") from error
        except UpstreamError as error:
            raise ServerError(reason=f"the sign-in failed ({error.outcome}): {error}") from error

    async def _granted(self, issuer: Issuer, checked: Checked, signed_in: SignIn, upstream_client: str) -> str:
        request = checked.request
        try:
            grant, code = await self.creation.create(
                request=request,
                client=checked.client,
                pool=checked.pool,
                server=checked.server,
                identity=signed_in.identity,
                tokens=signed_in.tokens,
                upstream_client=upstream_client,
            )
        except store.StoreError as error:
            raise TemporarilyUnavailable(reason=f"the grant could not be stored: {error}") from error
        self.recorder(
            SignedIn(
                issuer=issuer.url,
                pool=checked.pool.name,
                client=grant.client_id,
                client_name=request.client_name,
                server=grant.server,
                user=grant.identity.subject,
                email=grant.identity.email,
                grant=grant.id,
                scopes=grant.scopes,
            )
        )
        return redirects.success_url(request.redirect_uri, code=code, state=request.state, iss=issuer.url)

    def _not_admitted(self, issuer: Issuer, checked: Checked, identity: Identity) -> Refusal:
        error = AccessDenied(
            "The user may not use this server.", reason="the server's allow rule does not name the user"
        )
        failed = self._failed(issuer, checked.request, error, identity)
        return Refusal(identity, checked.server, checked.pool, checked.request.client_name, failed.redirect_to or "")

    def _failed(
        self, issuer: Issuer, request: AuthorizationRequest, error: OAuthError, identity: Identity | None = None
    ) -> AuthorizationError:
        """A Problem stays with us: the client, or its redirect URI, does not stand any more."""
        target = redirects.error_url(request.redirect_uri, error, state=request.state, iss=issuer.url)
        return refused(
            self.recorder,
            error,
            step="callback",
            issuer=issuer.url,
            client=request.client_id,
            server=request.server,
            identity=identity,
            redirect_to=None if isinstance(error, Problem) else target,
        )


def _answer(query: str) -> UpstreamAnswer:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=_MAX_FIELDS)
    except ValueError as broken:
        raise MalformedReturn(reason="too many parameters") from broken
    fields = {name: [value for key, value in pairs if key == name and value] for name in _SINGLE}
    if any(len(values) > 1 for values in fields.values()):
        raise MalformedReturn(reason="a parameter is repeated")
    state, code, error, iss = (next(iter(fields[name]), "") for name in _SINGLE)
    if not state:
        raise MalformedReturn(reason="no state")
    if bool(code) == bool(error):
        raise MalformedReturn(reason="neither or both of code and error")
    return UpstreamAnswer(state, code, error, iss or None)


def _check_upstream_error(error: str) -> None:
    """The IdP's own texts go nowhere, not even into the log: they are whatever the browser brought."""
    if error == "access_denied":
        raise AccessDenied(reason="the identity provider says access_denied")
    if error == "temporarily_unavailable":
        raise TemporarilyUnavailable(reason="the identity provider says temporarily_unavailable")
    if error:
        raise ServerError(reason="the identity provider says that the sign-in failed")
