"""What is wrong with a pool, whoever declares it: the configuration, or an operator while we run.

Keys are the members of `records.Pool`. Owns no reading of files and no form of an answer.
"""

import difflib
from collections.abc import Sequence
from dataclasses import replace

from sidecar.directory import AllowRule, Server
from sidecar.pools.urls import is_proxy_url
from sidecar.records import Pool
from sidecar.upstream import quirks

_PROXY = (
    "must be like http://proxy.example:3128 or http://user:password@proxy.example:3128; "
    "special characters of a password are written as %XX"
)
_OURS = frozenset(
    [
        "client_id",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    ]
)


def wrong(pool: Pool) -> Sequence[tuple[str, str]]:
    """(member, text) for each thing that would end in failing sign-ins."""
    found = []
    if pool.provider not in quirks.PRESETS:
        found.append(("provider", _unknown(pool.provider)))
    else:
        found += dict.fromkeys(each for placed in _placed(pool) for each in _at_the_provider(placed))
        if not pool.client_id and quirks.preset(pool.provider).discovery == "none":
            found.append(("client_id", f"is required: {pool.provider} has nowhere to register by itself"))
    reserved = sorted(_OURS.intersection(name for name, _ in pool.authorize_params))
    if reserved:
        found.append(("authorize_params", f"{', '.join(reserved)} is always ours; remove it"))
    if pool.proxy and not is_proxy_url(pool.proxy):
        found.append(("proxy", _PROXY))
    return found


def open_to_everybody(pool: Pool, server: Server) -> bool:
    """Whether anybody in the world could sign in there: no rule says who may."""
    known = pool.provider in quirks.PRESETS
    return known and server.allow == AllowRule() and any(quirks.is_public(each) for each in _placed(pool))


def _placed(pool: Pool) -> tuple[Pool, ...]:
    """The pool at each authorization server that it may find by itself, where none is named for good."""
    if pool.issuer or pool.client_id or pool.registration is None or not pool.registration.allowed_issuers:
        return (pool,)
    return tuple(replace(pool, issuer=issuer) for issuer in pool.registration.allowed_issuers)


def _at_the_provider(pool: Pool) -> list[tuple[str, str]]:
    found = [
        (key, f"is required for {pool.provider}{f', such as {example}' if example else ''}")
        for key, example in quirks.missing(pool).items()
    ]
    if form := quirks.misspelt_issuer(pool):
        found.append(("issuer", f"is compared byte for byte, slash at the end included; {pool.provider} has {form}"))
    if pool.scopes and not quirks.preset(pool.provider).scope_parameter:
        found.append(("scopes", f"mean nothing to {pool.provider}, where permissions belong to the app; remove them"))
    return found


def _unknown(provider: str) -> str:
    close = difflib.get_close_matches(provider, quirks.PRESETS, n=1)
    hint = f"did you mean `{close[0]}`? " if close else ""
    return f"is not known; {hint}there is: {', '.join(sorted(quirks.PRESETS))}"
