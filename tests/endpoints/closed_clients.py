"""What the clients send that cannot be run here: registration, authorization, token request, and where they look first.

The shapes are those that their vendors' documents, their sources where open, and servers' logs in public issues show.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.endpoints.front import RESOURCE
from tests.oauth import bodies

PATH_DOCUMENT = "/.well-known/oauth-protected-resource/mcp"
ROOT_DOCUMENT = "/.well-known/oauth-protected-resource"
OAUTH = "/.well-known/oauth-authorization-server"

_CODES = ("authorization_code", "refresh_token")
_PUBLIC = {"grant_types": _CODES, "response_types": ("code",), "token_endpoint_auth_method": "none"}

PERPLEXITY: Mapping[str, object] = {
    "client_name": "Perplexity",
    "redirect_uris": ["https://www.perplexity.ai/rest/connections/oauth_callback"],
    "grant_types": _CODES,
    "response_types": ["code"],
    "token_endpoint_auth_method": "client_secret_post",
}
CODEX: Mapping[str, object] = {
    **_PUBLIC,
    "client_name": "Codex",
    "redirect_uris": ["http://127.0.0.1:37819/callback/6MFBM1In3Ey-"],
    "application_type": "native",
}
GEMINI: Mapping[str, object] = {
    **_PUBLIC,
    "client_name": "Gemini CLI MCP Client",
    "redirect_uris": ["http://localhost:7777/oauth/callback"],
    "scope": "",
}
OPENCODE: Mapping[str, object] = {
    **_PUBLIC,
    "client_name": "OpenCode",
    "client_uri": "https://opencode.ai",
    "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"],
}
# vscode.dev takes the code and hands it to the editor, which it finds in `state`.
_NESTED = "vscode://vscode.github-authentication/did-authenticate?nonce=a%2Bb&windowId=1&x=/=&%20%2F+~"


@dataclass(frozen=True)
class ClosedClient:
    registration: Mapping[str, object]
    redirect: str = ""
    """At /authorize; by default the registered one."""
    scope: str | None = "notes.read"
    resource: str | None = RESOURCE
    state: str = "3q2-7w"
    asks: Mapping[str, str] = field(default_factory=dict)
    """Further parameters at /authorize."""
    at_token: Mapping[str, str] = field(default_factory=lambda: {"resource": RESOURCE})
    """Further parameters of both token requests."""
    reads: tuple[str, ...] = (PATH_DOCUMENT, OAUTH)
    """What it reads, each of which must be there."""


CLIENTS: Mapping[str, ClosedClient] = {
    "claude.ai": ClosedClient(bodies.CLAUDE_AI, reads=(ROOT_DOCUMENT, OAUTH)),
    "Claude Code": ClosedClient(
        {**bodies.CLAUDE_CODE, "application_type": "native"},
        redirect="http://localhost:61234/callback",
        scope="notes.read offline_access",
        asks={"prompt": "consent"},
    ),
    "ChatGPT": ClosedClient(bodies.CHATGPT),
    "Cursor": ClosedClient(bodies.CURSOR, state="eyJpZCI6Im5vdGVzIn0="),
    "Cursor, its web agents": ClosedClient(bodies.CURSOR, redirect="https://www.cursor.com/agents/mcp/oauth/callback"),
    "VS Code": ClosedClient(bodies.VS_CODE, redirect="http://127.0.0.1:33418/", at_token={}),
    "VS Code, through its web page": ClosedClient(
        bodies.VS_CODE, redirect="https://vscode.dev/redirect", state=_NESTED, at_token={}
    ),
    "VS Code, on any port": ClosedClient(bodies.VS_CODE, redirect="http://127.0.0.1:54321/", at_token={}),
    "Codex": ClosedClient(CODEX, scope="notes.read notes.write"),
    "LM Studio": ClosedClient(bodies.LM_STUDIO, redirect="http://127.0.0.1:41000/mcp/oauth/callback"),
    "Perplexity": ClosedClient(PERPLEXITY, scope=None, reads=(ROOT_DOCUMENT, OAUTH)),
    "Gemini": ClosedClient(GEMINI, scope=None),
    "OpenCode": ClosedClient(OPENCODE),
    "a client of 2025-03-26": ClosedClient(bodies.CLAUDE_CODE, scope=None, resource=None, at_token={}, reads=(OAUTH,)),
}
