"""Whether the sidecar could let clients in where they cannot get in now, and with which configuration. Pure.

Owns no name of a provider: which issuer is whose comes from the presets.
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.probe.places import is_loopback, is_plain_http, is_url, origin, same_origin
from sidecar.probe.seen import Seen, ServerMetadata
from sidecar.probe.verdict import Mode
from sidecar.upstream.quirks import PRESETS, Quirks

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
_PLACEHOLDER = re.compile(r"<[^>]*>")
_MOST_SCOPES = 20
_CERTAIN = 10_000
_ALWAYS_ASKED = {"openid", "profile", "email", "offline_access"}


@dataclass(frozen=True, slots=True)
class Remedy:
    helps: bool
    why: str
    config: str = ""
    """`servers` and `pools` of a configuration; empty when it does not help."""


def remedy(seen: Seen, mode: Mode) -> Remedy:
    if mode == "unreachable":
        return Remedy(helps=False, why="Nothing is known about this server.")
    if mode == "none":
        return Remedy(helps=False, why="Not needed: nobody has to sign in.")
    if mode in {"oauth-dcr", "oauth-cimd"}:
        return Remedy(helps=False, why="Not needed: clients sign in by themselves.")
    if seen.refused is None:
        return Remedy(helps=False, why="Not as it is: first let it answer 401 without a token.")
    server = seen.server
    if server is not None and server.dcr and mode == "broken":
        return Remedy(helps=False, why="Not needed once the errors are mended: clients can register already.")
    if server is None or (server.legacy and server.used is None):
        why = "Yes: it wants a token and does not say from where. Name the identity provider whose tokens it takes."
        return Remedy(helps=True, why=why, config=_config(seen, "oidc", "https://login.example.com"))
    issuer = _issuer(server)
    provider = _preset(issuer)
    if provider in {"oidc", "oauth2", ""} and same_origin(issuer, seen.url):
        why = "Yes: it is its own authorization server, and clients cannot register there."
        return Remedy(helps=True, why=why, config=_config(seen, _protocol(server), issuer, itself=True))
    whose = provider or issuer
    why = f"Yes: it sends clients to {whose}, where they cannot register."
    return Remedy(helps=True, why=why, config=_config(seen, provider or _protocol(server), issuer))


def _issuer(server: ServerMetadata) -> str:
    """As the document has it, unless that is a template or a stranger's."""
    named = server.text("issuer")
    return named if is_url(named) and "{" not in named and same_origin(named, server.issuer) else server.issuer


def _preset(issuer: str) -> str:
    """The preset of this issuer's provider: by its issuer, the form of its issuers, then a host that only it has."""
    scores = {name: _likeness(quirks, issuer.rstrip("/")) for name, quirks in PRESETS.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] else ""


def _likeness(quirks: Quirks, issuer: str) -> int:
    """The more of the text is fixed, the surer; a form with nothing fixed says nothing, any host would fit it."""
    form, host = quirks.issuer_form.rstrip("/"), urlsplit(issuer).netloc
    if quirks.issuer and issuer == quirks.issuer.rstrip("/"):
        return _CERTAIN
    if _fixed(form) and _matches(form, issuer):
        return _CERTAIN // 2 + _fixed(form)
    if _fixed(urlsplit(form).netloc) and _matches(urlsplit(form).netloc, host):
        return _CERTAIN // 4 + _fixed(urlsplit(form).netloc)
    return int(bool(host) and host == urlsplit(quirks.authorization_endpoint).netloc)


def _in_form(form: str, issuer: str) -> str:
    """As the provider writes it, which is what counts; metadata sometimes names another version of it."""
    there, wanted = urlsplit(issuer), urlsplit(form)
    if not form:
        return issuer
    given = there.path.split("/")
    parts = [
        (given[at] if at < len(given) and given[at] else "EXAMPLE") if _PLACEHOLDER.search(part) else part
        for at, part in enumerate(wanted.path.split("/"))
    ]
    return f"{there.scheme}://{there.netloc}{'/'.join(parts)}"


def _fixed(form: str) -> int:
    return len(_PLACEHOLDER.sub("", form.removeprefix("https://")).strip("./"))


def _matches(form: str, text: str) -> bool:
    pattern = "[^/]+".join(re.escape(part) for part in _PLACEHOLDER.split(form))
    return re.fullmatch(pattern, text) is not None


def _protocol(server: ServerMetadata) -> str:
    return "oidc" if server.openid or server.text("jwks_uri") else "oauth2"


def _config(seen: Seen, provider: str, issuer: str, *, itself: bool = False) -> str:
    path = urlsplit(seen.url).path.rstrip("/")
    host = origin(seen.url)
    if is_plain_http(host) and not is_loopback(host):
        host = host.replace("http:", "https:", 1)
    if itself:
        resource, behind = f"https://mcp-gateway.example.com{path}", origin(seen.url)
        said = ("a new name, for clients; the old one stays the sign-in's", "the server as it is")
    else:
        resource, behind = f"{host}{path}", "http://127.0.0.1:3000"
        said = ("what clients are given; Envoy takes it over", "where the MCP server itself listens")
    lines = [
        "servers:",
        "  - name: mcp",
        f"    resource: {_quoted(resource)}  # {said[0]}",
        f"    origin: {_quoted(behind)}  # {said[1]}",
        f"    pool: {provider}",
        "    allow: {domains: [example.com]}  # who may sign in",
        "pools:",
        f"  - name: {provider}",
        f"    id: {provider}-1",
        f"    provider: {provider}",
        "    client_id: CLIENT-ID  # registered there by hand, once",
        f"    client_secret_file: {provider}.secret",
    ]
    quirks = PRESETS[provider]
    if not quirks.issuer and not quirks.authorization_endpoint:
        lines.append(f"    issuer: {_quoted(_in_form(quirks.issuer_form, issuer))}")
    if quirks.required_params:
        filled = {name: form.strip("<>") for name, form in quirks.required_params}
        lines.append(f"    authorize_params: {json.dumps(filled)}")
    scopes = _scopes(seen) or ([quirks.scopes_form.strip("<>")] if quirks.scopes_form else [])
    if scopes:
        lines.append(f"    scopes: [{', '.join(map(_quoted, scopes))}]")
    redirect = f"{origin(resource)}/callback"
    return "\n".join([*lines, f"# Redirect URI to enter at the provider: {redirect}", ""])


def _scopes(seen: Seen) -> list[str]:
    """What the server asks for; every preset adds what a sign-in needs."""
    listed = seen.resource.document.get("scopes_supported")
    wanted = [scope for scope in listed if isinstance(scope, str)] if isinstance(listed, list) else []
    kept = [scope for scope in dict.fromkeys(wanted) if _SCOPE.fullmatch(scope) and scope not in _ALWAYS_ASKED]
    return kept[:_MOST_SCOPES]


def _quoted(text: str) -> str:
    """JSON's strings are YAML's."""
    return json.dumps(text)
