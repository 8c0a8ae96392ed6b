"""Pools as configured: each is one OAuth client at one provider, whose needs `upstream.quirks` knows."""

from collections.abc import Mapping, Sequence

from sidecar.pools import judgement
from sidecar.records import Pool, SelfRegistration, UpstreamCredentials
from sidecar.settings.ca_files import read_ca
from sidecar.settings.errors import Problem
from sidecar.settings.pool_sections import PoolSection
from sidecar.settings.secret_files import Secrets
from sidecar.upstream import quirks

_KEYS = {
    "authorization_endpoint": "endpoints.authorize",
    "token_endpoint": "endpoints.token",
    "userinfo_endpoint": "endpoints.userinfo",
    "jwks_uri": "endpoints.jwks",
}
"""Members of a pool that have another name here."""


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
        if pool.provider in quirks.PRESETS:
            found[pool.name] = pool
    return found


def _pool(section: PoolSection, secrets: Secrets) -> Pool:
    key = f"pools[{section.name}].client_secret"
    return Pool(
        name=section.name,
        id=section.id,
        provider=section.provider,
        client_id=section.client_id or "",
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
        ca=_authorities(section, secrets),
        proxy=_proxy(section, secrets),
        clients_not_before=section.clients_not_before,
        former=_former(section, secrets),
        registration=_registration(section, secrets),
    )


def _authorities(section: PoolSection, secrets: Secrets) -> str:
    if not section.tls.ca_file or secrets.withheld:
        return ""
    return read_ca(f"pools[{section.name}].tls.ca_file", secrets.base / section.tls.ca_file, secrets.problems)


def _proxy(section: PoolSection, secrets: Secrets) -> str:
    found = secrets.read(f"pools[{section.name}].proxy", section.proxy, section.proxy_file)
    return "" if secrets.withheld else found


def _registration(section: PoolSection, secrets: Secrets) -> SelfRegistration | None:
    wanted, key = section.registration, f"pools[{section.name}].registration.initial_access_token"
    token = secrets.read(key, wanted.initial_access_token, wanted.initial_access_token_file)
    return SelfRegistration(wanted.allowed_issuers, token) if token or wanted.allowed_issuers else None


def _former(section: PoolSection, secrets: Secrets) -> tuple[UpstreamCredentials, ...]:
    found = []
    for index, each in enumerate(section.former):
        secret = secrets.read(
            f"pools[{section.name}].former[{index}].client_secret", each.client_secret, each.client_secret_file
        )
        found.append(UpstreamCredentials(each.client_id or section.client_id or "", secret, each.until))
    return tuple(found)


def _wrong(section: PoolSection, pool: Pool) -> list[tuple[str, str]]:
    """(key, text) for each thing that would end in failing sign-ins."""
    found = [(_KEYS.get(member, member), text) for member, text in judgement.wrong(pool)]
    secret = section.client_secret is not None or section.client_secret_file
    if not section.client_id:
        found += _without_client(section)
    elif not secret and pool.token_auth != "none":  # noqa: S105 - the name of a method
        found.append(("client_secret_file", "is required, or `token_auth: none` for a public client"))
    for index, each in enumerate(section.former):
        given = each.client_secret is not None or each.client_secret_file
        if not given and (pool.token_auth != "none" or each.client_id in ("", pool.client_id)):  # noqa: S105
            found.append((f"former[{index}].client_secret_file", "is required: it is what the pool had before"))
    return found


def _without_client(section: PoolSection) -> list[tuple[str, str]]:
    found = []
    if section.client_secret is not None or section.client_secret_file:
        found.append(("client_id", "is required with a client secret; without both the sidecar registers itself"))
    if any(not each.client_id for each in section.former):
        found.append(("former", "each needs its `client_id`, since the pool has none of its own"))
    return found
