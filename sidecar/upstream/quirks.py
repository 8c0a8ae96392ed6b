"""How providers differ, as data: one frozen `Quirks` value per preset. The only module that names a provider.

Owns which rules a provider needs and whether anybody at all can have an account there. Does no I/O, builds no message.
A member exists only when the code honours it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from sidecar.records import Pool

ClientAuth = Literal["basic", "basic_raw", "post", "none"]
Discovery = Literal["oidc", "rfc8414", "none"]
IdentitySource = Literal["id_token", "userinfo", "user_and_emails"]
IssuerCheck = Literal["exact", "tenant_template"]
RevocationScope = Literal["token", "grant", "none"]

_NOT_A_TENANT = frozenset({"common", "organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"})
"""Entra's places for accounts of every tenant; the GUID is that of personal accounts, `consumers` by another name."""
_SERVES_EVERYBODY = frozenset({"gitlab.com", "login.salesforce.com", "discord.com", "slack.com", "auth.atlassian.com"})
"""Hosts without a preset of their own that anybody can have an account at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What a provider needs that the standards leave open, or that it does in its own way."""

    issuer: str = ""
    """The issuer, where every customer has the same one."""
    issuer_form: str = ""
    """What an issuer looks like, where every customer has another one."""
    discovery: Discovery = "oidc"
    """Which well-known location is asked first; the other one is asked when the first answers 404."""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    authorize_params: tuple[tuple[str, str], ...] = ()
    scopes: tuple[str, ...] = ("openid",)
    """Always asked for, before the pool's own."""
    scope_prefix: str = ""
    """Put before a bare scope of the pool and taken off again in the answer; `{client_id}` is filled in."""
    scope_on_token: bool = False
    """`scope` is also sent with the code and with the refresh token, for the first scope's resource only."""
    scope_separator: str = " "
    answer_separator: str = " "
    scope_aliases: tuple[tuple[str, str], ...] = ()
    """(as answered, as asked)."""
    pkce: bool = True
    client_auth: ClientAuth | None = None
    """None: what the discovery document allows, `post` before `basic`."""
    refused_errors: frozenset[str] = frozenset()
    """Error codes that mean what `invalid_grant` means."""
    misconfigured_errors: frozenset[str] = frozenset()
    error_detail: str = ""
    """A pattern of the provider's own error numbers; a match in the description reaches the log."""
    access_lifetime: int = 0
    """Seconds, for an access token whose answer states none. 0: it has no end."""
    single_use_refresh: Literal["yes", "no", "maybe"] = "maybe"
    """Whether a refresh token always dies by being used, so that trying it again is pointless and raises alarms."""
    identity: IdentitySource = "id_token"
    subject: tuple[str, ...] = ("sub",)
    """Claims that together name a user for good."""
    subject_fallback: str = ""
    names: tuple[str, ...] = ("name", "preferred_username")
    userinfo_fills: bool = True
    """The userinfo endpoint is asked for an email address that the id_token lacks."""
    tenant_emails: bool = False
    """No `email_verified`: an address counts as verified when the provider vouches for its domain, or when the issuer
    is a single tenant, whose administrators own the directory."""
    issuer_check: IssuerCheck = "exact"
    issuer_aliases: tuple[str, ...] = ()
    """Other spellings of `iss` in an id_token."""
    revocation_scope: RevocationScope = "none"
    """What a revocation at the provider ends. Only with `token` is it called: `grant` would end other clients too."""
    public: bool = False
    """Anybody can have an account."""


_GITHUB = Quirks(
    issuer="https://github.com/login/oauth",
    discovery="none",
    authorization_endpoint="https://github.com/login/oauth/authorize",
    token_endpoint="https://github.com/login/oauth/access_token",  # noqa: S106 - a URL
    userinfo_endpoint="https://api.github.com/user",
    scopes=(),
    answer_separator=",",
    client_auth="post",
    refused_errors=frozenset({"bad_verification_code", "bad_refresh_token"}),
    misconfigured_errors=frozenset({"incorrect_client_credentials", "redirect_uri_mismatch", "application_suspended"}),
    single_use_refresh="yes",
    identity="user_and_emails",
    subject=("id",),
    names=("name", "login"),
    public=True,
)

_OKTA = Quirks(
    issuer_form="https://<org>.okta.com",
    # A web app's refresh token is persistent by default; where rotation is on, the old one lives on for 30 s.
    single_use_refresh="no",
    revocation_scope="token",
)

PRESETS: Mapping[str, Quirks] = MappingProxyType(
    {
        "oidc": Quirks(),
        "oauth2": Quirks(discovery="rfc8414", scopes=(), identity="userinfo", subject_fallback="id"),
        "google": Quirks(
            issuer="https://accounts.google.com",
            # Without both there is no refresh token on the second sign-in.
            authorize_params=(("access_type", "offline"), ("prompt", "consent")),
            scopes=("openid", "email"),
            scope_aliases=(
                ("https://www.googleapis.com/auth/userinfo.email", "email"),
                ("https://www.googleapis.com/auth/userinfo.profile", "profile"),
            ),
            single_use_refresh="no",
            issuer_aliases=("accounts.google.com",),
            revocation_scope="grant",
            public=True,
        ),
        "github": _GITHUB,
        "github-app": _GITHUB,
        "entra": Quirks(
            issuer_form="https://login.microsoftonline.com/<tenant id>/v2.0",
            scopes=("openid", "profile", "email", "offline_access"),
            scope_prefix="api://{client_id}/",  # a bare scope would silently mean Microsoft Graph
            scope_on_token=True,
            client_auth="post",
            refused_errors=frozenset({"interaction_required", "login_required", "consent_required"}),
            error_detail=r"AADSTS\d{4,8}",
            single_use_refresh="no",  # a new one on every use, the old one stays valid
            subject=("tid", "oid"),
            userinfo_fills=False,  # it wants a token for Graph
            tenant_emails=True,
            issuer_check="tenant_template",
        ),
        "auth0": Quirks(issuer_form="https://<tenant>.auth0.com/", revocation_scope="grant"),
        "okta": _OKTA,
        "okta-custom": replace(_OKTA, issuer_form="https://<org>.okta.com/oauth2/<server id>"),
        # Single use only with "Revoke Refresh Token", which is off by default; reuse then ends that session alone.
        "keycloak": Quirks(
            issuer_form="https://<host>/realms/<realm>", single_use_refresh="no", revocation_scope="grant"
        ),
    }
)


def preset(name: str) -> Quirks:
    """KeyError for a provider that has none."""
    return PRESETS[name]


def uses_id_token(pool: Pool) -> bool:
    """Whether it is an id_token that says who signed in (OpenID Connect Core 3.1.3.3)."""
    quirks = preset(pool.provider)
    return quirks.identity == "id_token" or (quirks.identity == "userinfo" and "openid" in pool.scopes)


def missing(pool: Pool) -> tuple[str, ...]:
    """Settings without which nobody can sign in at this pool's provider."""
    quirks = preset(pool.provider)
    if pool.issuer or (quirks.issuer and quirks.discovery != "none"):
        return ()
    needed = ["authorization_endpoint", "token_endpoint"]
    needed += ["issuer", "jwks_uri"] if uses_id_token(pool) else ["userinfo_endpoint"]
    lacking = tuple(key for key in needed if not getattr(pool, key) and not getattr(quirks, key, ""))
    # With an issuer all of them are discovered, so that is the one thing to ask for.
    return ("issuer",) if lacking and quirks.discovery == "oidc" else lacking


def is_public(pool: Pool) -> bool:
    """Whether anybody in the world can have an account there, so that `allow` must say who may come in."""
    quirks = preset(pool.provider)
    issuer = pool.issuer or quirks.issuer
    if tenant(issuer) in _NOT_A_TENANT and (quirks.issuer_check == "tenant_template" or "microsoft" in issuer):
        return True
    place = pool.authorization_endpoint or pool.issuer or quirks.authorization_endpoint or quirks.issuer
    everybody = _SERVES_EVERYBODY | {urlsplit(each.issuer).hostname for each in PRESETS.values() if each.public}
    return urlsplit(place).hostname in everybody


def tenant(issuer: str) -> str:
    """The first path segment of an issuer: its tenant, where the provider has them."""
    return urlsplit(issuer).path.strip("/").partition("/")[0]


def is_single_tenant(issuer: str) -> bool:
    return bool(tenant(issuer)) and tenant(issuer) not in _NOT_A_TENANT
