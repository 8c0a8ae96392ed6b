"""What is asked about a pool's provider: by the settings before anybody signs in, and by the sign-in itself."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from sidecar.records import Pool
from sidecar.upstream.quirks.schema import Quirks
from sidecar.upstream.quirks.table import PRESETS, preset

_NOT_A_TENANT = frozenset({"common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"})
"""Entra's places for accounts of every tenant; the GUID is that of personal accounts, `consumers` by another name."""
_ALSO_SERVE_EVERYBODY = frozenset({"test.salesforce.com"})
_ACCOUNTS: Mapping[str, tuple[str, ...]] = {
    "userinfo": ("userinfo_endpoint",),
    "user_and_emails": ("userinfo_endpoint",),
    "token_answer": (),
    "introspection": ("issuer",),
}
"""What must be known where it is not an id_token that names the user."""


def uses_id_token(pool: Pool) -> bool:
    """Whether it is an id_token that says who signed in (OpenID Connect Core 3.1.3.3)."""
    quirks = preset(pool.provider)
    asked_for = quirks.identity == "userinfo" and quirks.discovery != "none" and "openid" in pool.scopes
    return quirks.identity == "id_token" or asked_for


def missing(pool: Pool) -> Mapping[str, str]:
    """Settings without which nobody can sign in at this pool's provider; with an example, or none."""
    quirks = preset(pool.provider)
    found = {key: quirks.issuer_form if key == "issuer" else "" for key in _missing_places(pool, quirks)}
    given = dict(pool.authorize_params)
    found |= {f"authorize_params.{name}": form for name, form in quirks.required_params if not given.get(name)}
    if quirks.scopes_form and not pool.scopes:
        found["scopes"] = quirks.scopes_form
    return found


def misspelt_issuer(pool: Pool) -> str:
    """What the issuer should look like, where it can be seen that no document would ever state this one."""
    quirks = preset(pool.provider)
    form = quirks.issuer_form or quirks.issuer
    if not form or not pool.issuer:
        return ""
    fixed = {part for part in urlsplit(form).path.split("/") if "<" not in part}
    fits = fixed.issubset(urlsplit(pool.issuer).path.split("/")) if quirks.issuer_form else True
    return "" if fits and pool.issuer.endswith("/") == form.endswith("/") else form


def is_public(pool: Pool) -> bool:
    """Whether anybody in the world can have an account there, so that `allow` must say who may come in."""
    quirks = preset(pool.provider)
    issuer = pool.issuer or quirks.issuer
    if tenant(issuer) in _NOT_A_TENANT and (quirks.issuer_check == "tenant_template" or "microsoft" in issuer):
        return True
    if quirks.public and not _home(quirks):
        return True
    place = pool.authorization_endpoint or pool.issuer or quirks.authorization_endpoint or quirks.issuer
    everybody = _ALSO_SERVE_EVERYBODY | {urlsplit(_home(each)).hostname for each in PRESETS.values() if each.public}
    return bool(place) and urlsplit(place).hostname in everybody


def tenant(issuer: str) -> str:
    """The first path segment of an issuer: its tenant, where the provider has them."""
    return urlsplit(issuer).path.strip("/").partition("/")[0]


def is_single_tenant(issuer: str) -> bool:
    return bool(tenant(issuer)) and tenant(issuer) not in _NOT_A_TENANT


def _home(quirks: Quirks) -> str:
    """Where everybody signs in, if it is one place for all customers."""
    return quirks.authorization_endpoint or quirks.issuer


def _missing_places(pool: Pool, quirks: Quirks) -> tuple[str, ...]:
    if pool.issuer or (quirks.issuer and quirks.discovery != "none"):
        return ()
    needed = ["authorization_endpoint", "token_endpoint"]
    needed += ["issuer", "jwks_uri"] if uses_id_token(pool) else _ACCOUNTS[quirks.identity]
    lacking = tuple(key for key in needed if not getattr(pool, key) and not getattr(quirks, key, ""))
    # With an issuer all of them are discovered, so that is the one thing to ask for.
    return ("issuer",) if lacking and (quirks.issuer_form or quirks.discovery == "oidc") else lacking
