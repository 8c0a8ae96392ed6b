"""The events of a grant's life, filled in from the grant: one place knows which of its members an event names."""

from sidecar.events import EndReason, GrantEnded, TokenIssued
from sidecar.grants.answer import TokenAnswer
from sidecar.records import Grant


def ended(grant: Grant, reason: EndReason) -> GrantEnded:
    return GrantEnded(
        grant=grant.id, reason=reason, client=grant.client_id, user=grant.identity.subject, server=grant.server
    )


def issued(grant: Grant, flow: str, answer: TokenAnswer) -> TokenIssued:
    return TokenIssued(
        issuer=grant.issuer,
        client=grant.client_id,
        client_name=grant.client_name,
        server=grant.server,
        user=grant.identity.subject,
        grant=grant.id,
        flow=flow,
        scopes=answer.scopes,
    )
