"""What the clients send that cannot be run here: registration, authorization, token request, and where they look first.

The shapes are what can be known of them: the vendors' documents, the sources of those that are open (VS Code, Codex,
Gemini, OpenCode), and requests that servers logged and people published. Of Perplexity only the callback and that it
needs a secret are public, of Antigravity the callback, of Copilot's command line all but its name: the rest of theirs
is what such clients usually send. No shape is a recording of a whole session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.endpoints.front import RESOURCE
from tests.oauth import bodies

PATH_DOCUMENT = "/.well-known/oauth-protected-resource/mcp"
ROOT_DOCUMENT = "/.well-known/oauth-protected-resource"
OAUTH = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"

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
ANTIGRAVITY: Mapping[str, object] = {
    **_PUBLIC,
    "client_name": "Antigravity",
    "redirect_uris": ["https://antigravity.google/oauth-callback"],
}
COPILOT: Mapping[str, object] = {
    **_PUBLIC,
    "client_name": "GitHub Copilot CLI",
    "redirect_uris": ["http://127.0.0.1:56679/"],
    "application_type": "native",
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
    misses: tuple[str, ...] = ()
    """Where it looks too, and must be told in JSON that there is nothing."""
    all_scopes: bool = False
    """It asks for what the authorization server's document lists."""


CLIENTS: Mapping[str, ClosedClient] = {
    "claude.ai": ClosedClient(bodies.CLAUDE_AI, reads=(ROOT_DOCUMENT, OAUTH)),
    "claude.ai, without a resource": ClosedClient(bodies.CLAUDE_AI, scope=None, resource=None, at_token={}),
    "Claude Code": ClosedClient(
        {**bodies.CLAUDE_CODE, "application_type": "native"},
        redirect="http://localhost:61234/callback",
        scope="notes.read offline_access",
        asks={"prompt": "consent"},
        reads=(PATH_DOCUMENT, ROOT_DOCUMENT, OAUTH),
    ),
    "ChatGPT": ClosedClient(bodies.CHATGPT),
    "ChatGPT, from a URL with a query": ClosedClient(
        bodies.CHATGPT, resource=f"{RESOURCE}?from=chat", at_token={"resource": f"{RESOURCE}?from=chat"}
    ),
    "Cursor": ClosedClient(bodies.CURSOR, state="eyJpZCI6Im5vdGVzIn0="),
    "Cursor, its web agents": ClosedClient(bodies.CURSOR, redirect="https://www.cursor.com/agents/mcp/oauth/callback"),
    "VS Code": ClosedClient(
        bodies.VS_CODE, redirect="http://127.0.0.1:33418/", at_token={}, misses=(OPENID, f"{OPENID}/mcp")
    ),
    "VS Code, through its web page": ClosedClient(
        bodies.VS_CODE, redirect="https://vscode.dev/redirect", state=_NESTED, at_token={}
    ),
    "VS Code, on any port": ClosedClient(bodies.VS_CODE, redirect="http://127.0.0.1:54321/", at_token={}),
    "Codex": ClosedClient(CODEX, all_scopes=True),
    "LM Studio": ClosedClient(bodies.LM_STUDIO, redirect="http://127.0.0.1:41000/mcp/oauth/callback"),
    "Perplexity": ClosedClient(PERPLEXITY, scope=None, reads=(ROOT_DOCUMENT, OAUTH)),
    "Gemini": ClosedClient(GEMINI, scope=None),
    "Antigravity": ClosedClient(ANTIGRAVITY, scope=None),
    "Copilot CLI, which changes its port": ClosedClient(COPILOT, redirect="http://127.0.0.1:61877/", scope=None),
    "OpenCode": ClosedClient(OPENCODE),
    "a client of 2025-03-26": ClosedClient(bodies.CLAUDE_CODE, scope=None, resource=None, at_token={}, reads=(OAUTH,)),
}
