"""Pools as configured: each is one OAuth client at one provider, whose needs `upstream.quirks` knows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sidecar.records import Pool
from sidecar.settings.errors import Problem
from sidecar.settings.schema import PoolSection
from sidecar.settings.secret_files import Secrets
from sidecar.upstream import quirks

_KEYS = {
    "authorization_endpoint": "endpoints.authorize",
    "token_endpoint": "endpoints.token",
    "userinfo_endpoint": "endpoints.userinfo",
    "jwks_uri": "endpoints.jwks",
}
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


def resolve_pools(sections: Sequence[PoolSection], secrets: Secrets) -> Mapping[str, Pool]:
    """The pools that could be made; what is wrong with them or the others goes to the secrets' list of problems."""
    problems = secrets.problems
    for key in ("name", "id"):
        values = [str(getattr(section, key)) for section in sections]
        twice = sorted({value for value in values if values.count(value) > 1})
        problems.extend(Problem(f"pools.{key}", f"two pools have {value}; each needs its own") for value in twice)
    found = {}
    for section in sections:
        pool = _pool(section, secrets)
        problems.extend(Problem(f"pools[{section.name}].{key}", text) for key, text in _wrong(section, pool))
        if pool.ca_file and not secrets.withheld and not Path(pool.ca_file).is_file():
            problems.append(Problem(f"pools[{section.name}].tls.ca_file", f"{pool.ca_file} is not a file"))
        if pool.provider in quirks.PRESETS:
            found[pool.name] = pool
    return found


def _pool(section: PoolSection, secrets: Secrets) -> Pool:
    key = f"pools[{section.name}].client_secret"
    return Pool(
        name=section.name,
        id=section.id,
        provider=section.provider,
        client_id=section.client_id,
        client_secret=secrets.read(key, section.client_secret, section.client_secret_file),
        scopes=section.scopes,
        issuer=section.issuer or "",
        authorization_endpoint=section.endpoints.authorize or "",
        token_endpoint=section.endpoints.token or "",
        revocation_endpoint=section.endpoints.revoke or "",
        userinfo_endpoint=section.endpoints.userinfo or "",
        jwks_uri=section.endpoints.jwks or "",
        authorize_params=tuple(section.authorize_params.items()),
        token_auth=section.token_auth,
        ca_file=str(secrets.base / section.tls.ca_file) if section.tls.ca_file else "",
        proxy=section.proxy,
    )


def _wrong(section: PoolSection, pool: Pool) -> list[tuple[str, str]]:
    """(key, text) for each thing that would end in failing sign-ins."""
    found = []
    if pool.provider not in quirks.PRESETS:
        found.append(("provider", f"is not known; there is: {', '.join(sorted(quirks.PRESETS))}"))
    else:
        form = quirks.preset(pool.provider).issuer_form
        such = f", such as {form}" if form else ""
        found += [
            (_KEYS.get(key, key), f"is required for this provider{such if key == 'issuer' else ''}")
            for key in quirks.missing(pool)
        ]
    secret = section.client_secret is not None or section.client_secret_file
    if not secret and pool.token_auth != "none":  # noqa: S105 - the name of a method
        found.append(("client_secret_file", "is required, or `token_auth: none` for a public client"))
    reserved = sorted(_OURS.intersection(section.authorize_params))
    if reserved:
        found.append(("authorize_params", f"{', '.join(reserved)} is always ours; remove it"))
    if section.proxy and urlsplit(section.proxy).scheme not in {"http", "https"}:
        found.append(("proxy", "must be an http:// or https:// URL"))
    return found
