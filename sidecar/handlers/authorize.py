"""The authorization endpoint: GET or POST of a request shows the consent page; POST of that page's form answers it.

Owns how the browser's word on where a form came from is read. HEAD and GET store nothing.
"""

from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import hdrs, web

from sidecar.clock import Entropy, random_text
from sidecar.directory import Issuer
from sidecar.handlers import cookies
from sidecar.handlers.middleware import FORM, ISSUER, NO_STORE, POOL, read_body, source_of
from sidecar.handlers.pages import Pages
from sidecar.handlers.turns import Turns
from sidecar.oauth.errors import AuthorizationError, InvalidRequest, OAuthError
from sidecar.oauth.params import form_fields
from sidecar.records import Lifetimes
from sidecar.signin.approvals import Answer, Approvals
from sidecar.signin.problems import MalformedRequest, refused
from sidecar.signin.requests import Requests

PATH = "/authorize"


@dataclass(frozen=True, slots=True)
class AuthorizeEndpoint:
    requests: Requests
    approvals: Approvals
    pages: Pages
    entropy: Entropy
    lifetimes: Lifetimes
    turns: Turns = field(default_factory=Turns)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self.ask), web.post(PATH, self.post)]

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """An authorization request in the query (RFC 6749 4.1.1)."""
        return await self._prompt(request, request.rel_url.raw_query_string)

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The consent page's form, or an authorization request as a form (RFC 6749 3.1)."""
        body = await self._body(request)
        if any(field.startswith(b"form=") for field in body.split(b"&")):
            return await self._answer(request, body)
        return await self._prompt(request, body)

    async def _body(self, request: web.Request) -> bytes:
        try:
            if request.rel_url.raw_query_string:
                raise MalformedRequest(reason="parameters in both the query and the body")
            return await read_body(request, FORM, otherwise=MalformedRequest)
        except OAuthError as error:
            raise self._refused(request, error, "authorize") from error

    def _refused(self, request: web.Request, error: OAuthError, step: str) -> AuthorizationError:
        return refused(self.requests.recorder, error, step=step, issuer=request[ISSUER].url)

    async def _prompt(self, request: web.Request, raw: str | bytes) -> web.StreamResponse:
        issuer = request[ISSUER]
        params = self.requests.read(issuer, raw)
        async with self.turns.one():
            checked = await self.requests.check(issuer, request[POOL], params, source_of(request))
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=self.pages.headers, content_type="text/html")
        # Reused, so that a second GET or a second tab does not spoil the form of the first.
        cookie = cookies.form_cookie(request, issuer) or random_text(self.entropy)
        page = self.pages.consent(self.approvals.prompt(issuer, checked, cookie), issuer.path + PATH)
        cookies.keep_form_cookie(page, issuer, cookie)
        return page

    async def _answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        issuer = request[ISSUER]
        try:
            fields = form_fields(body)
        except InvalidRequest as error:
            raise self._refused(request, MalformedRequest(reason=error.reason), "approve") from error
        answer = Answer(
            form=fields.get("form", ""),
            decision=fields.get("decision", ""),
            cookie=cookies.form_cookie(request, issuer),
            same_origin=_same_origin(request, issuer),
            source=source_of(request),
        )
        onward = await self.approvals.answer(issuer, request[POOL], answer)
        # 303: the IdP and the client must not get the form (RFC 9700 4.12).
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={**NO_STORE, hdrs.LOCATION: onward.location})
        if onward.binding:
            value, seconds = onward.binding, self.lifetimes.transaction
            cookies.keep_binding(request, response, issuer, onward.handle, value=value, seconds=seconds)
        return response


def _same_origin(request: web.Request, issuer: Issuer) -> bool:
    """Fetch metadata where the browser sends it, else the Origin; a form with neither came from nowhere we know."""
    sites = request.headers.getall("Sec-Fetch-Site", [])
    if sites:
        return sites == ["same-origin"]
    return request.headers.getall(hdrs.ORIGIN, []) == [issuer.origin]
