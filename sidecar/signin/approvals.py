"""The consent page and the user's answer to it (design 12.5).

Approving needs the form, the cookie that it was made for, and the browser's word that it was sent from our own page.
The form is spent in the store before anything else happens; only then is there a transaction, and only then the cookie
that the return from the IdP asks for. Owns neither HTML nor cookie names.
"""

from dataclasses import dataclass
from typing import Literal

from sidecar.clock import Clock, Entropy, random_text
from sidecar.directory import Issuer
from sidecar.events import ConsentAsked, ConsentDenied, ConsentGiven, Recorder, reference
from sidecar.limits import RateLimits
from sidecar.oauth import pkce, redirects
from sidecar.oauth.errors import (
    AccessDenied,
    AuthorizationError,
    OAuthError,
    ServerError,
    TemporarilyUnavailable,
    TooManyRequests,
)
from sidecar.records import Lifetimes, Pool, Transaction
from sidecar.signin.forms import FORM_SECONDS, Form, Forms, Transactions, transaction_key
from sidecar.signin.problems import (
    CookieMissing,
    ForeignForm,
    FormUsed,
    MalformedRequest,
    Problem,
    TooManySignIns,
    Unavailable,
    refused,
)
from sidecar.signin.requests import Checked, Requests
from sidecar.store import base as store
from sidecar.upstream.base import Upstream, UpstreamError, UpstreamUnavailable, UpstreamUnknown

Decision = Literal["approve", "deny"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the consent page shows and carries."""

    checked: Checked
    form: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came with the consent form."""

    form: str
    decision: str
    cookie: str
    """Empty when the browser sent none."""
    same_origin: bool
    """Whether the browser says that a page of this issuer's origin sent it."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Onward:
    """Where the browser goes next. An approval also starts a transaction: `binding` belongs into this browser only."""

    location: str
    handle: str = ""
    binding: str = ""


@dataclass(frozen=True, slots=True)
class Approvals:
    requests: Requests
    limits: RateLimits
    forms: Forms
    transactions: Transactions
    store: store.Transactions
    upstream: Upstream
    lifetimes: Lifetimes
    entropy: Entropy
    clock: Clock
    recorder: Recorder

    def prompt(self, issuer: Issuer, checked: Checked, cookie: str) -> Prompt:
        """Stores nothing; the same request may be shown any number of times, in any number of tabs."""
        request = checked.request
        self.recorder(
            ConsentAsked(
                issuer=issuer.url,
                pool=checked.pool.name,
                client=request.client_id,
                client_name=request.client_name,
                server=request.server,
            )
        )
        return Prompt(checked, self.forms.seal(issuer, checked.pool, cookie, request))

    async def answer(self, issuer: Issuer, pool: Pool, answer: Answer) -> Onward:
        """Raises AuthorizationError. Nothing is started, and no client is told anything, before the form is spent."""
        try:
            form = self._opened(issuer, pool, answer)
        except Problem as problem:
            raise refused(self.recorder, problem, step="approve", issuer=issuer.url) from problem
        reference.set(form.request.reference)
        try:
            checked = await self.requests.recheck(issuer, pool, form.request, answer.source)
            await self._spend(form, answer.source)
            if answer.decision == "deny":
                return self._denied(issuer, form)
            return await self._approved(issuer, checked)
        except OAuthError as error:
            raise self._refused(issuer, form, error) from error

    def _opened(self, issuer: Issuer, pool: Pool, answer: Answer) -> Form:
        if not answer.same_origin:
            raise ForeignForm(reason="the form was not sent from our own page")
        if not answer.cookie:
            raise CookieMissing(reason="no cookie came with the form")
        if answer.decision not in ("approve", "deny"):
            raise MalformedRequest(reason="the form says neither approve nor deny")
        return self.forms.open(issuer, pool, answer.cookie, answer.form)

    async def _spend(self, form: Form, source: str) -> None:
        """Limited before it is spent, so that the same page may be answered again later."""
        try:
            await self.limits.sign_in(source)
            fresh = await self.store.spend_form(form.nonce, FORM_SECONDS)
        except store.StoreError as error:
            raise Unavailable(reason=f"the form could not be spent: {error}") from error
        except TooManyRequests as error:
            raise TooManySignIns(reason=error.reason, headers=error.headers) from error
        if not fresh:
            raise FormUsed(reason="the form was used before")

    def _denied(self, issuer: Issuer, form: Form) -> Onward:
        request = form.request
        self.recorder(
            ConsentDenied(
                issuer=issuer.url, client=request.client_id, client_name=request.client_name, server=request.server
            )
        )
        error = AccessDenied("The user denied the request.")
        return Onward(redirects.error_url(request.redirect_uri, error, state=request.state, iss=issuer.url))

    async def _approved(self, issuer: Issuer, checked: Checked) -> Onward:
        handle, binding, nonce = (random_text(self.entropy) for _ in range(3))
        verifier = pkce.new_verifier(self.entropy(32))
        request, pool = checked.request, checked.pool
        location = await self._authorization_url(issuer, pool, handle, nonce, pkce.s256(verifier))
        transaction = Transaction(request, pool.id, verifier, nonce, self.clock(), pool.client_id)
        try:
            sealed = self.transactions.seal(handle, transaction)
            await self.store.start(transaction_key(issuer, handle), binding, sealed, self.lifetimes.transaction)
        except store.StoreError as error:
            raise TemporarilyUnavailable(reason=f"the transaction could not be stored: {error}") from error
        self.recorder(
            ConsentGiven(
                issuer=issuer.url,
                pool=pool.name,
                client=request.client_id,
                client_name=request.client_name,
                server=request.server,
                scopes=request.scopes,
            )
        )
        return Onward(location, handle, binding)

    async def _authorization_url(self, issuer: Issuer, pool: Pool, state: str, nonce: str, challenge: str) -> str:
        callback = issuer.endpoint("callback")
        try:
            return await self.upstream.authorization_url(
                pool, redirect_uri=callback, state=state, nonce=nonce, challenge=challenge
            )
        except (UpstreamUnavailable, UpstreamUnknown) as error:
            raise TemporarilyUnavailable(reason=f"the identity provider does not answer: {error}") from error
        except UpstreamError as error:
            raise ServerError(reason=f"the identity provider cannot be used: {error}") from error

    def _refused(self, issuer: Issuer, form: Form, error: OAuthError) -> AuthorizationError:
        """A Problem stays with us: the client, or the browser's right to speak for it, is not verified."""
        request = form.request
        target = redirects.error_url(request.redirect_uri, error, state=request.state, iss=issuer.url)
        return refused(
            self.recorder,
            error,
            step="approve",
            issuer=issuer.url,
            client=request.client_id,
            server=request.server,
            redirect_to=None if isinstance(error, Problem) else target,
        )
