"""Redemption of an authorization code (RFC 6749 4.1.3, RFC 7636 4.6)."""

from dataclasses import dataclass

from sidecar.directory import Issuer
from sidecar.events import EndReason, Recorder, sign_in
from sidecar.grants import telling
from sidecar.grants.answer import TokenAnswer
from sidecar.grants.minting import Minting, check_resource
from sidecar.oauth.errors import InvalidGrant, TemporarilyUnavailable
from sidecar.oauth.params import CodeRequest
from sidecar.oauth.pkce import s256
from sidecar.oauth.redirects import matches
from sidecar.records import Client, Grant
from sidecar.sealing import SealError
from sidecar.store.base import CodeProofs, Grants, GrantState, Issued
from sidecar.tokens import Kind, Token

_TRIES = 4
_REASONS: dict[str, EndReason] = {"replayed": "code_replayed", "burnt": "code_burnt"}


@dataclass(frozen=True, slots=True)
class Redemption:
    store: Grants
    minting: Minting
    recorder: Recorder

    async def redeem(self, request: CodeRequest, client: Client, issuer: Issuer) -> TokenAnswer:
        """Exchange a code for the first tokens of its grant. Raises InvalidGrant or InvalidTarget."""
        token = self.minting.codec.parse(Kind.CODE, request.code)
        if token is None:
            raise InvalidGrant(reason="not a code of ours")
        for _ in range(_TRIES):
            state = await self.store.read(token.grant_id)
            if state is None:
                raise InvalidGrant(reason=f"no grant {token.grant_id}: the code expired, or the grant was ended")
            sign_in.set(state.grant.reference)
            if (state.grant.client_id, state.grant.issuer) != (client.id, issuer.url):
                raise InvalidGrant(reason="the code belongs to another client")
            check_resource(state.grant, request.resource)
            answer = await self._consume(token, state, request, client)
            if answer is not None:
                return answer
        raise TemporarilyUnavailable(reason="the grant kept changing", retry_after=1)

    async def _consume(
        self, token: Token, state: GrantState, request: CodeRequest, client: Client
    ) -> TokenAnswer | None:
        grant = state.grant
        issued: Issued | None = None
        answer: TokenAnswer | None = None
        if state.code_wrap is not None:
            _check_unchanged(grant, client)
            try:
                data_key = self.minting.codec.unwrap(token, state.code_wrap)
            except SealError:
                raise InvalidGrant(reason="the code does not open its grant") from None
            issued, answer = self.minting.issue(state, data_key, 1, grant.scopes)
        proofs = CodeProofs(
            client_id=grant.client_id,
            redirect_uri=request.redirect_uri,
            resource=None if request.resource is None else grant.resource,
            challenge=s256(request.code_verifier),
        )
        outcome = await self.store.redeem(
            state,
            proofs,
            issued,
            expires_at=grant.expires_at,
            double_submit=self.minting.lifetimes.double_submit,
        )
        if outcome == "fresh" and answer is not None:
            self.recorder(telling.issued(grant, "authorization_code", answer))
            return answer
        if outcome == "conflict":
            return None
        if outcome in _REASONS:
            self.recorder(telling.ended(grant, _REASONS[outcome]))
        raise InvalidGrant(reason=f"code: {outcome}")


def _check_unchanged(grant: Grant, client: Client) -> None:
    """What the user approved must still be so: policy or the client itself may have changed it since (RFC 7592 2.2)."""
    if client.name != grant.client_name or not matches(client.redirect_uris, grant.redirect_uri):
        raise InvalidGrant(reason="the client's name or redirect URIs are not those that the user approved")
