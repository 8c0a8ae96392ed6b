"""Which credentials of an MCP server's own may pass to it: what may name them, and what would let more pass than meant.

A name that is too wide opens the server to everybody, so each rule here refuses; none warns.
"""

import re
from collections.abc import Sequence

from sidecar import headers
from sidecar.directory import HeaderCredentials, Server
from sidecar.settings import urls
from sidecar.settings.errors import Problem

_PREFIX = re.compile(r"[A-Za-z0-9._~+/-]{3,64}")  # of what a bearer token may consist of (RFC 6750 2.1)
_OURS = "dcr"
# Beginnings of what identity providers issue: JWTs, Google's and GitHub's tokens. An upstream token that a client
# presents must be refused, whoever got it (MCP: no token passthrough).
_UPSTREAM = ("eyJ", "ya29.", "gho_", "ghu_")
_CREDENTIAL = re.compile(r"key|token|secret|auth|credential|password")
_NEVER = ("proxy-", "sec-", "x-forwarded-", *headers.FOREIGN_PREFIXES)


def prefix(value: str) -> str:
    """How a personal access token of the server's begins."""
    if not _PREFIX.fullmatch(value):
        raise ValueError("must be 3 to 64 characters of a token: letters, digits and . _ ~ + / -")
    if value.lower().startswith(_OURS):
        raise ValueError(f"is how our own tokens begin; those that begin with {_OURS} are never passed on")
    found = next((known for known in _UPSTREAM if value.startswith(known) or known.startswith(value)), "")
    if found:
        raise ValueError(f"would also pass tokens of an identity provider, which begin with {found}")
    return value


def header(value: str) -> str:
    """A header that carries a credential and nothing else: one that every request has would open the server to all."""
    lowered = urls.header_name(value)
    if lowered == "authorization":
        raise ValueError("carries our own tokens; name the beginning of the server's own under `prefixes`")
    if lowered.startswith(_NEVER) or lowered in headers.FOREIGN_IDENTITY:
        raise ValueError("never comes from a client: browsers and proxies own it, or Envoy takes it away")
    if not _CREDENTIAL.search(lowered):
        raise ValueError("must have key, token, secret, auth, credential or password in its name")
    return lowered


def resolve(prefixes: Sequence[str], names: Sequence[str]) -> HeaderCredentials | None:
    """None when nothing is named."""
    if not prefixes and not names:
        return None
    return HeaderCredentials(tuple(dict.fromkeys(prefixes)), tuple(dict.fromkeys(names)))


def judge(servers: Sequence[Server], problems: list[Problem]) -> None:
    """What takes more than one key to see."""
    injected = {server.inject.header: server.name for server in servers}
    for server in servers:
        own = server.header_credentials
        if own is None:
            continue
        key = f"servers[{server.name}].header_credentials"
        if server.inject.mode != "upstream":
            text = "needs `inject.mode: upstream`: beside identity headers, a request without any would pass for one"
            problems.append(Problem(key, text))
        for name in own.headers:
            if name in injected:
                text = f"{name} is what server {injected[name]} gets its credential in, so Envoy takes it from clients"
                problems.append(Problem(f"{key}.headers", text))
