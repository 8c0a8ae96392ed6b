"""The one redirect URI that we have at the IdP. GET only: a HEAD by a link scanner must not spend anything."""

from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import hdrs, web

from sidecar.events import reference
from sidecar.handlers import cookies
from sidecar.handlers.middleware import ISSUER, NO_STORE, POOL, source_of
from sidecar.handlers.pages import Pages
from sidecar.handlers.turns import Turns
from sidecar.signin.returns import Refusal, Returns

PATH = "/callback"


@dataclass(frozen=True, slots=True)
class CallbackEndpoint:
    returns: Returns
    pages: Pages
    turns: Turns = field(default_factory=Turns)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self.handle, allow_head=False)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        issuer = request[ISSUER]
        answer = self.returns.read(issuer, request.rel_url.raw_query_string)
        binding = cookies.binding(request, issuer, answer.state)
        async with self.turns.one():
            outcome = await self.returns.returned(issuer, request[POOL], answer, binding, source_of(request))
        if isinstance(outcome, Refusal):
            response = self.pages.no_access(outcome, reference.get())
        else:
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={**NO_STORE, hdrs.LOCATION: outcome})
        # After an error the cookie of a transaction that is gone just runs out with it.
        cookies.drop_binding(request, response, issuer, answer.state)
        return response
