"""The MCP server's own credentials on a request: recognised by configuration, never guessed, never judged.

Owns which request brings exactly one. What becomes of it, the check decides.
"""

from multidict import CIMultiDictProxy

from sidecar.directory import HeaderCredentials
from sidecar.oauth.errors import InvalidRequest, InvalidToken
from sidecar.oauth.params import NoToken, bearer
from sidecar.tokens import PREFIX


def recognised(configured: HeaderCredentials, sent: CIMultiDictProxy[str]) -> str:
    """The configured prefix or header that the request's credential has; empty when it has none of them.

    Raises InvalidRequest for a second credential beside a configured header (RFC 6750 3.1), InvalidToken or NoToken
    for one that cannot pass.
    """
    authorization = sent.getall("authorization", [])
    brought = [(name, value) for name in configured.headers for value in sent.getall(name, ())]
    if not brought:
        return _prefix(configured, authorization) if authorization else ""
    if len(brought) + len(authorization) > 1:
        raise InvalidRequest("Send one credential only.", reason="a header credential and another credential")
    name, value = brought[0]
    if not value.strip():
        raise NoToken(reason=f"{name} is empty")
    if any(ours in value for ours in PREFIX.values()):  # our tokens reach no MCP server, in no header
        raise InvalidToken(reason=f"a token of ours in {name}")
    return name


def _prefix(configured: HeaderCredentials, authorization: list[str]) -> str:
    token = bearer(authorization)
    return next((prefix for prefix in configured.prefixes if token.startswith(prefix)), "")
