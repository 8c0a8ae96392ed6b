"""What a FakeIdp does when it lets clients register themselves (RFC 7591, RFC 7592): `idp.registrations = …`.

The one client that it knows becomes the one that registered last. A test sets `answer` to change what is said, and
`idp.fail("register", …)` or `idp.fail("client", …)` for what is done instead.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Registrations:
    managed: bool = True
    """Whether they come with a place and a token to manage them (RFC 7592)."""
    initial_access_token: str = ""
    lifetime: int = 0
    """Seconds that a secret lives; 0: for ever."""
    answer: dict[str, Any] = field(default_factory=dict)
    """Members of an answer to replace, or to leave out with None."""
    status: int = 201
    refusal: str = ""
    """An error code: everything that changes something is answered with it."""
    clients: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id, as they are registered now."""
    made: int = 0
    serial: int = 0

    def path(self, path: str) -> str:
        return "register" if path == "/register" else "client" if path.startswith("/register/") else ""

    async def register(self, idp: Any, seen: Any) -> web.Response:
        wanted = self.initial_access_token
        if wanted and seen.headers.get("Authorization") != f"Bearer {wanted}":
            return web.json_response({"error": "invalid_token"}, status=401)
        if self.refusal:
            return self._refused()
        self.made += 1
        client = {
            **json.loads(seen.body),
            "client_id": f"registered-{self.made}",
            **self._secret(idp),
            "client_id_issued_at": idp.clock(),
        }
        if self.managed:
            client["registration_client_uri"] = f"{idp.url}/register/{client['client_id']}"
            client["registration_access_token"] = f"manage-{self.made}"
        self.clients[client["client_id"]] = client
        return self._told(idp, client, self.status)

    async def manage(self, idp: Any, seen: Any) -> web.Response:
        client = self.clients.get(seen.path.rpartition("/")[2])
        token = seen.headers.get("Authorization", "").removeprefix("Bearer ")
        if client is None or token != client["registration_access_token"]:
            return web.json_response({"error": "invalid_token"}, status=401)
        if seen.method == "DELETE":
            del self.clients[client["client_id"]]
            return web.Response(status=204)
        if seen.method == "PUT":
            if self.refusal:
                return self._refused()
            client |= json.loads(seen.body)
            client |= self._secret(idp) if self.lifetime else {}
        return self._told(idp, client, 200)

    def forget(self) -> None:
        """The administrator deletes all of them."""
        self.clients.clear()

    def _secret(self, idp: Any) -> dict[str, Any]:
        self.serial += 1
        until = idp.clock() + self.lifetime if self.lifetime else 0
        return {"client_secret": f"secret a+b%2F{self.serial}", "client_secret_expires_at": until}

    def _told(self, idp: Any, client: dict[str, Any], status: int) -> web.Response:
        idp.client_id, idp.client_secret = client["client_id"], client["client_secret"]
        told = {name: value for name, value in (client | self.answer).items() if value is not None}
        return web.json_response(told, status=status)

    def _refused(self) -> web.Response:
        return web.json_response({"error": self.refusal, "error_description": "secret detail"}, status=400)
