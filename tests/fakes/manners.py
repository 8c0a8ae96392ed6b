"""How real providers behave, from one file each in tests/upstream/providers, for `FakeIdp` to act like them.

    async with acting_as("slack", clock=clock) as idp:
        pool = pool_at(idp)          # a pool with that preset whose endpoints are here

A file's strings `$access_token`, `$refresh_token`, `$id_token` and `$scope` stand for what the fake made, `$url` for
where it is. Members: `about`, `issuer` (its path; absent: none is configured), `paths`, `document`, `iss`, `pool`,
`authorize`, `pkce`, `auth`, `body`, `headers`, `token_form`, `exchange`, `refresh`, `refresh_style`, `dead`, `account`,
`claims`; and what must come of it all: `identity`, `scopes`, `lifetime`, `retries_unknown`, `revocation`.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sidecar.records import Pool
from sidecar.upstream.quirks import preset
from tests.fakes.idp import ABSENT, FakeIdp, Refusal, Seen

FOLDER = Path(__file__).parent.parent / "upstream" / "providers"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
_PATHS = {
    "authorize": "/authorize",
    "token": "/token",
    "jwks": "/jwks",
    "userinfo": "/userinfo",
    "revoke": "/revoke",
    "introspect": "/introspect",
}


@dataclass(frozen=True)
class Manner:
    """One provider's ways. The fake asks it wherever providers differ."""

    name: str
    told: Mapping[str, Any]

    @classmethod
    def of(cls, name: str) -> "Manner":
        return cls(name, json.loads((FOLDER / f"{name}.json").read_text()))

    def path(self, endpoint: str) -> str:
        return self.told.get("paths", {}).get(endpoint, _PATHS.get(endpoint, ""))

    def endpoint(self, path: str) -> str:
        """The name of what is at this path; a user API's path is its own name."""
        if path in self.told.get("account", {}):
            return "account"
        names = [*_PATHS, *self.told.get("paths", {})]
        return next((name for name in names if self.path(name) == path), "other")

    def check_token_request(self, seen: Seen) -> None:
        """What this provider would refuse to read."""
        wanted = "application/json" if self.told.get("body") == "json" else "application/x-www-form-urlencoded"
        if seen.headers.get("Content-Type") != wanted:
            raise Refusal("invalid_request", 415)
        for name, value in self.told.get("headers", {}).items():
            if seen.headers.get(name) != value:
                raise Refusal("missing_header")

    def tokens(self, members: Mapping[str, Any], *, first: bool) -> web.Response:
        shape = self.told["exchange"] if first else self.told.get("refresh", self.told["exchange"])
        return web.json_response(_filled(shape, members))

    def refusal(self, refusal: Refusal) -> web.Response:
        dead = self.told.get("dead")
        if refusal.error == "invalid_grant" and dead:
            return web.json_response(dead["body"], status=dead["status"])
        return web.json_response({"error": refusal.error}, status=refusal.status)

    def account(self, seen: Seen) -> web.Response:
        api = self.told["account"][seen.path]
        if seen.method != api.get("method", "GET") or seen.body.decode() != api.get("body", ""):
            return web.json_response({"message": "no such call"}, status=405)
        return web.json_response(api["answer"])


@asynccontextmanager
async def acting_as(name: str, **switches: Any) -> AsyncIterator[FakeIdp]:
    """A provider that behaves like that preset's."""
    manner = Manner.of(name)
    told = manner.told
    oidc = preset(name).identity == "id_token"
    async with FakeIdp.running(
        manner=manner,
        oidc=oidc or preset(name).discovery == "oidc",
        auth_methods=(told["auth"],),
        refresh_style=told["refresh_style"],
        **switches,
    ) as idp:
        idp.issuer = idp.url + told.get("issuer", "")
        idp.metadata = _members(told.get("document", {}), idp.url)
        idp.id_claims = _members(told.get("claims", {}), idp.url)
        if "iss" in told:
            idp.send_iss = told["iss"] or ABSENT
            idp.metadata |= {"authorization_response_iss_parameter_supported": ABSENT}
        yield idp


def pool_at(idp: FakeIdp, **overrides: Any) -> Pool:
    """A pool with the manner's preset whose endpoints are here, at the provider's own paths."""
    quirks, told = preset(idp.manner.name), idp.manner.told
    given = told.get("pool", {})
    values: dict[str, Any] = {
        "provider": idp.manner.name,
        "issuer": idp.issuer if "issuer" in told else "",
        "scopes": tuple(given.get("scopes", ())),
        "authorize_params": tuple(given.get("authorize_params", {}).items()),
    }
    for name in _ENDPOINTS:
        if getattr(quirks, name):
            values[name] = idp.url + urlsplit(getattr(quirks, name)).path
    values |= {name: idp.url + path for name, path in given.get("endpoints", {}).items()}
    return idp.pool(**(values | overrides))


def _members(told: Mapping[str, Any], url: str) -> dict[str, Any]:
    """null: the member is left out."""
    here = {name: value.replace("$url", url) if isinstance(value, str) else value for name, value in told.items()}
    return {name: ABSENT if value is None else value for name, value in here.items()}


def _filled(shape: Any, members: Mapping[str, Any]) -> Any:
    if isinstance(shape, dict):
        return {name: _filled(value, members) for name, value in shape.items()}
    if isinstance(shape, str) and shape.startswith("$"):
        return members[shape[1:]]
    return shape
