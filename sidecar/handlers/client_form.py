"""How /token and /revoke read a request: a bounded form, at most one Authorization header, no secret in the URL."""

from aiohttp import hdrs, web

from sidecar.handlers.middleware import FORM, read_body
from sidecar.oauth.errors import InvalidRequest
from sidecar.oauth.params import refuse_secrets_in_query


async def read_client_form(request: web.Request) -> tuple[bytes, str | None]:
    """The body and the Authorization header (RFC 6749 2.3.1). Raises InvalidRequest, PayloadTooLarge or others."""
    refuse_secrets_in_query(request.raw_path.partition("?")[2])
    authorizations = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(authorizations) > 1:
        raise InvalidRequest(reason="two Authorization headers")
    return await read_body(request, FORM), authorizations[0] if authorizations else None
