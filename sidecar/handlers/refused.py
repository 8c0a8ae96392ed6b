"""Envoy tells that an MCP server answered 401 to a request that the check had let through. On the check's listener.

Owns the message's form: the grant and the token set that the check named for Envoy's log. Answers nothing of interest.
"""

import re
from dataclasses import dataclass

from aiohttp import web

from sidecar import headers
from sidecar.grants.refusal import Refusal
from sidecar.oauth.errors import InvalidRequest

_GRANT = re.compile(r"[0-9a-f]{32}")
_SERIAL = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class RefusedEndpoint:
    refusal: Refusal

    def routes(self) -> list[web.RouteDef]:
        return [web.post(headers.REFUSED_PATH, self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        grant_id = request.headers.get(f"{headers.LOG_PREFIX}grant", "")
        serial = request.headers.get(f"{headers.LOG_PREFIX}serial", "")
        if not (_GRANT.fullmatch(grant_id) and _SERIAL.fullmatch(serial)):
            raise InvalidRequest(reason="no grant or no serial")
        await self.refusal.note(grant_id, int(serial))
        return web.Response(status=204)
