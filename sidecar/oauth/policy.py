"""Which redirect URIs a client may have: the operator's policy, judged at registration and again at every use.

Owns the judgement of one URI. Owns neither matching against a registration (`redirects`) nor the registration itself.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from sidecar.oauth.redirects import brings_response_parameters
from sidecar.oauth.uris import Uri, parse

KNOWN_SCHEMES = frozenset(
    {
        # Editors hand every link of their scheme to the extension that the authority names, so a path says little.
        "cursor://",
        "vscode://",
        "vscode-insiders://",
        "vscodium://",
        "windsurf://",
        # The desktop app does other things with other links of its scheme.
        "claude://claude.ai/mcp-auth-callback/",
    }
)
"""Private-use redirects of MCP clients in the field (RFC 8252 7.1), as URI prefixes."""

KNOWN_REDIRECTS = (
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector/oauth/*",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "https://www.perplexity.ai/rest/connections/oauth_callback",
    "https://enterprise.perplexity.ai/rest/connections/oauth_callback",
    "https://antigravity.google/oauth-callback",
)
"""Callbacks of hosted MCP clients, for operators who do not want any https host."""

# What a browser runs, opens locally or hands to something that is no OAuth client. Never a redirect target, and a
# registration that names one is not an honest mistake.
DANGEROUS_SCHEMES = frozenset(
    {
        *("about", "blob", "data", "file", "filesystem", "jar", "javascript", "vbscript", "view-source"),
        *("android-app", "chrome", "content", "ftp", "intent", "mailto", "ms-appx", "res", "resource", "sms", "tel"),
        *("ws", "wss"),
    }
)
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*")


class Verdict(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"
    """Well formed, but not what this operator lets in."""
    DANGEROUS = "dangerous"
    """Malformed, ambiguous, or a target that nobody may have."""


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """What clients may register. Raises ValueError on construction for an entry that could not mean what it says.

    `schemes`: private-use URIs, as prefixes: the URI itself, or all below it at a `/` or `?`. `redirect_hosts`: https
    redirects as `host`, `*.domain`, a whole URL, or a URL that ends in `/*` for one more path segment; empty for any
    https host. Loopback is always allowed (RFC 8252 7.3). `scopes` narrows what servers offer; empty for all of it.
    """

    schemes: frozenset[str] = KNOWN_SCHEMES
    redirect_hosts: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for entry in self.schemes:
            scheme, colon, _ = entry.partition(":")
            if not colon or parse(f"{entry}x") is None or scheme in DANGEROUS_SCHEMES | {"http", "https"}:
                raise ValueError(f"not a private-use URI prefix: {entry!r}")
        for entry in self.redirect_hosts:
            url = parse(entry.removesuffix("*")) if entry.endswith("/*") else parse(entry)
            if not _HOST.fullmatch(entry) and (url is None or url.scheme != "https"):
                raise ValueError(f"neither a host nor an https URL: {entry!r}")

    def judge(self, uri: str) -> Verdict:
        parsed = parse(uri)
        if parsed is None or parsed.scheme in DANGEROUS_SCHEMES:
            return Verdict.DANGEROUS
        if parsed.scheme == "http" and not parsed.loopback:
            return Verdict.DANGEROUS  # RFC 9700 2.6
        if brings_response_parameters(parsed):
            return Verdict.REFUSED
        if parsed.loopback:
            return Verdict.ALLOWED
        allowed = self._host_allowed(uri, parsed) if parsed.scheme == "https" else self._scheme_allowed(uri)
        return Verdict.ALLOWED if allowed else Verdict.REFUSED

    def allows(self, uri: str) -> bool:
        return self.judge(uri) is Verdict.ALLOWED

    def _scheme_allowed(self, uri: str) -> bool:
        return any(
            uri == entry or (uri.startswith(entry) and (entry[-1] in ":/" or uri[len(entry)] in "/?"))
            for entry in self.schemes
        )

    def _host_allowed(self, uri: str, parsed: Uri) -> bool:
        return not self.redirect_hosts or any(_covers(entry, uri, parsed) for entry in self.redirect_hosts)


@dataclass(frozen=True, slots=True)
class DocumentPolicy:
    """Whose client documents are taken. `hosts` and `denied_hosts`: `host` or `*.domain`; the denial wins."""

    enabled: bool = False
    hosts: tuple[str, ...] = ()
    """Empty for any."""
    denied_hosts: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        parsed = parse(url)
        if not self.enabled or parsed is None or parsed.scheme != "https":
            return False
        host = parsed.host.lower()
        if any(_names(entry, host) for entry in self.denied_hosts):
            return False
        return not self.hosts or any(_names(entry, host) for entry in self.hosts)


def _names(entry: str, host: str) -> bool:
    return host.endswith(entry[1:]) if entry.startswith("*.") else host == entry


def _covers(entry: str, uri: str, parsed: Uri) -> bool:
    if entry.endswith("/*"):
        return uri.startswith(entry[:-1]) and _SEGMENT.fullmatch(uri[len(entry) - 1 :]) is not None
    if "://" in entry:
        return uri == entry
    if parsed.port not in {None, 443}:
        return False
    return _names(entry, parsed.host.lower())
