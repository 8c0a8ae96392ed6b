"""Who may ask at all, on listeners that not everybody may reach."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Middleware

from sidecar import headers
from sidecar.handlers.middleware import Handler
from sidecar.oauth.errors import TemporarilyUnavailable


def only_with_secret(secret: str) -> Middleware:
    """Only Envoy knows the secret; it adds it to every check.

    503 for everybody else: an Envoy without it is misconfigured, and a client must not take that for a bad token.
    """
    expected = secret.encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.getall(headers.CHECK_SECRET, [])
        if len(sent) != 1 or not hmac.compare_digest(sent[0].encode(errors="surrogateescape"), expected):
            raise TemporarilyUnavailable(reason="a check without the check secret")
        return await handler(request)

    return guard
