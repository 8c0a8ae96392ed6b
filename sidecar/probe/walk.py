"""What is asked, and in which order: as MCP clients do it (MCP 2025-11-25, 2026-07-28, and 2025-03-26 for the rest).

Asks a little more than one client would, since clients differ in where they look. Judges nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sidecar.probe.checks.browser import METHOD, wanted_headers
from sidecar.probe.exchange import EVENTS, JSON, Exchange, Purpose
from sidecar.probe.fetch import Fetcher
from sidecar.probe.places import is_loopback, is_plain_http, is_url, resource_metadata_urls, same_origin
from sidecar.probe.places import server_metadata_urls as places_of
from sidecar.probe.seen import (
    BAD_GATEWAY,
    UNAUTHORIZED,
    BrowserSeen,
    RegistrationSeen,
    ResourceMetadata,
    Seen,
    ServerMetadata,
    is_server_error,
    legacy_issuer,
)

MAX_SERVERS = 3
_VERSION, _STATELESS = "2025-11-25", "2026-07-28"
_CLIENT = {"name": "dcr-sidecar-probe", "version": "1"}
_DOCUMENT = {"Accept": JSON, "MCP-Protocol-Version": _VERSION}
_POST = {"Content-Type": JSON, "Accept": f"{JSON}, {EVENTS}"}
_MALFORMED = b'{"redirect_uris": ['
"""No parser can take this for a registration."""
_REGISTRATION = {
    "client_name": "dcr-sidecar probe",
    "redirect_uris": ["http://127.0.0.1:33418/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}


@dataclass(frozen=True, slots=True)
class Options:
    url: str
    seconds: float = 30.0
    """For everything."""
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Sent to the MCP server's origin and to nobody else."""
    ca_file: str = ""
    browser_origin: str = ""
    """Check CORS for pages of this origin."""
    active: bool = False
    """Send the registration endpoint a body that cannot register anything."""
    register: bool = False
    """Register a client, and delete it where RFC 7592 is offered."""


async def walk(fetcher: Fetcher, options: Options) -> Seen:
    url = options.url
    seen = await _first_calls(fetcher, url)
    if not seen.call.status:
        return replace(seen, log=tuple(fetcher.log), stopped=fetcher.stopped)
    places = resource_metadata_urls(url, seen.challenged_url)
    tries = [await fetcher.get(Purpose.RESOURCE, place, _DOCUMENT) for place in places]
    seen = replace(seen, resource=ResourceMetadata(tuple(tries)))
    seen = replace(seen, servers=await _servers(fetcher, seen))
    if options.browser_origin:
        seen = replace(seen, browser=await _as_page(fetcher, seen, options.browser_origin))
    if options.active or options.register:
        seen = replace(seen, registration=await _registration(fetcher, seen, register=options.register))
    return replace(seen, log=tuple(fetcher.log), stopped=fetcher.stopped)


async def _first_calls(fetcher: Fetcher, url: str) -> Seen:
    call = await fetcher.ask(Purpose.CALL, "POST", url, _POST, initialize())
    seen = Seen(url, call)
    if not call.status or call.redirect:
        return seen
    session = call.header("mcp-session-id")
    if call.ok and session:
        await fetcher.ask(Purpose.END, "DELETE", url, {"Mcp-Session-Id": session, "MCP-Protocol-Version": _VERSION})
    if call.status != UNAUTHORIZED and not seen.open:
        headers = {**_POST, "MCP-Protocol-Version": _STATELESS, "Mcp-Method": "server/discover"}
        seen = replace(seen, discover=await fetcher.ask(Purpose.CALL, "POST", url, headers, _discover()))
    if not seen.open:
        seen = replace(seen, stream=await fetcher.get(Purpose.STREAM, url, {"Accept": EVENTS}))
    return seen


async def _servers(fetcher: Fetcher, seen: Seen) -> tuple[ServerMetadata, ...]:
    """Those that the metadata lists; where it lists none, the origin, as MCP 2025-03-26 has it."""
    if seen.resource.issuers:
        listed = seen.resource.issuers[:MAX_SERVERS]
        return tuple([await _server(fetcher, issuer, first=at == 0) for at, issuer in enumerate(listed)])
    if seen.refused is None:
        return ()
    guess = await _server(fetcher, legacy_issuer(seen.url), first=True)
    guess = replace(guess, legacy=True)
    if guess.used is None:
        register = await fetcher.get(Purpose.DEFAULT, f"{guess.issuer}/register")
        guess = replace(guess, default_registration=register)
    return (guess,)


async def _server(fetcher: Fetcher, issuer: str, *, first: bool) -> ServerMetadata:
    """Place by place until there is a document, or a fault at which SDKs stop."""
    found = ServerMetadata(issuer, first=first)
    for place in places_of(issuer):
        answer = await fetcher.get(Purpose.SERVER, place, _DOCUMENT)
        found = replace(found, tries=(*found.tries, answer))
        if found.used is not None or (is_server_error(answer) and answer.status != BAD_GATEWAY):
            break
    return found


async def _as_page(fetcher: Fetcher, seen: Seen, origin: str) -> BrowserSeen:
    """Preflights, then the requests themselves; the token endpoint gets its preflight only."""
    targets = [("mcp", seen.url, METHOD)]
    targets += [("metadata", seen.resource.used.url, "GET")] if seen.resource.used else []
    if seen.server is not None and seen.server.used is not None:
        targets.append(("server metadata", seen.server.used.url, "GET"))
        targets.append(("token", seen.server.text("token_endpoint"), METHOD))
        targets.append(("registration", seen.server.text("registration_endpoint"), METHOD))
    preflights, answers = [], []
    for what, url, method in targets:
        if not is_url(url):
            continue
        asking = {"Origin": origin, "Access-Control-Request-Method": method}
        asking["Access-Control-Request-Headers"] = ",".join(wanted_headers(what))
        # SDKs ask for metadata again without their header when its preflight fails, so only the answer counts.
        if method == METHOD:
            preflights.append((what, await fetcher.ask(Purpose.PREFLIGHT, "OPTIONS", url, asking)))
        if what == "mcp":
            answers.append(
                (what, await fetcher.ask(Purpose.PAGE, "POST", url, {**_POST, "Origin": origin}, initialize()))
            )
        elif method == "GET":
            answers.append((what, await fetcher.get(Purpose.PAGE, url, {"Accept": JSON, "Origin": origin})))
    return BrowserSeen(origin, tuple(preflights), tuple(answers))


async def _registration(fetcher: Fetcher, seen: Seen, *, register: bool) -> RegistrationSeen | None:
    endpoint = seen.server.text("registration_endpoint") if seen.server else ""
    if not is_url(endpoint) or (is_plain_http(endpoint) and not is_loopback(endpoint)):
        return None
    headers = {"Content-Type": JSON, "Accept": JSON}
    found = RegistrationSeen(endpoint, await fetcher.ask(Purpose.MALFORMED, "POST", endpoint, headers, _MALFORMED))
    if not register:
        return found
    body = json.dumps(_REGISTRATION).encode()
    made = await fetcher.ask(Purpose.REGISTER, "POST", endpoint, headers, body)
    return replace(found, registered=made, deleted=await _delete(fetcher, endpoint, made))


async def _delete(fetcher: Fetcher, endpoint: str, made: Exchange) -> Exchange | None:
    """RFC 7592 2.3. Only at the origin that registered us: the token is for nobody else."""
    body = made.json if made.ok and isinstance(made.json, dict) else {}
    place, token = body.get("registration_client_uri"), body.get("registration_access_token")
    if not isinstance(place, str) or not isinstance(token, str) or not same_origin(place, endpoint):
        return None
    if not token.isascii() or not token.isprintable():
        return None
    return await fetcher.ask(Purpose.UNREGISTER, "DELETE", place, {"Authorization": f"Bearer {token}"})


def initialize() -> bytes:
    params = {"protocolVersion": _VERSION, "capabilities": {}, "clientInfo": _CLIENT}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()


def _discover() -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": _STATELESS,
        "io.modelcontextprotocol/clientInfo": _CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
    return json.dumps(asked).encode()
