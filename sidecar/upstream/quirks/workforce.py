"""Presets of identity products, hosted and self-hosted: every customer has an issuer of its own."""

from collections.abc import Mapping
from dataclasses import replace

from sidecar.upstream.quirks.schema import Quirks

_OFFLINE = ("openid", "profile", "email", "offline_access")
"""Without `offline_access` these send no refresh token, and every grant ends within the hour."""

_OKTA = Quirks(
    issuer_form="https://<org>.okta.com",
    scopes=_OFFLINE,
    # A web app's refresh token is persistent by default; where rotation is on, the old one lives on for 30 s.
    single_use_refresh="no",
    revocation_scope="token",
)

WORKFORCE: Mapping[str, Quirks] = {
    "entra": Quirks(
        issuer_form="https://login.microsoftonline.com/<tenant id>/v2.0",
        scopes=_OFFLINE,
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
    "azure-b2c": Quirks(
        issuer_form="https://<tenant>.b2clogin.com/<tenant>.onmicrosoft.com/<policy>/v2.0",
        scopes=("openid", "offline_access"),
        scopes_form="https://<tenant>.onmicrosoft.com/<app>/<scope>",  # without one there is no access token
        scope_on_token=True,
        client_auth="post",
        error_detail=r"AADB2C\d{4,8}",
        single_use_refresh="no",
        issuer_check="tenant_guid",
        public=True,
    ),
    "auth0": Quirks(
        issuer_form="https://<tenant>.auth0.com/",
        scopes=_OFFLINE,
        required_params=(("audience", "<API identifier>"),),  # without it the access token is opaque or encrypted
        revocation_scope="grant",
        public=True,
    ),
    "okta": _OKTA,
    "okta-custom": replace(_OKTA, issuer_form="https://<org>.okta.com/oauth2/<server id>"),
    "workos": Quirks(
        issuer_form="https://<name>.authkit.app",
        scopes=_OFFLINE,
        client_auth="post",
        revocation_scope="token",
        public=True,
    ),
    "cognito": Quirks(
        issuer_form="https://cognito-idp.<region>.amazonaws.com/<user pool id>",
        scopes=("openid", "email"),  # there is no offline_access: a refresh token always comes
        single_use_refresh="no",
        revocation_scope="token",
        public=True,
    ),
    # Single use only with "Revoke Refresh Token", which is off by default; reuse then ends that session alone. A
    # refresh token that is not offline ends with the browser's session.
    "keycloak": Quirks(
        issuer_form="https://<host>/realms/<realm>", scopes=_OFFLINE, single_use_refresh="no", revocation_scope="grant"
    ),
    "zitadel": Quirks(issuer_form="https://<instance>.zitadel.cloud", scopes=_OFFLINE, public=True),
    "clerk": Quirks(
        issuer_form="https://<name>.clerk.accounts.dev", scopes=_OFFLINE, single_use_refresh="no", public=True
    ),
    "descope": Quirks(
        issuer_form="https://api.descope.com/v1/apps/<project id>", scopes=_OFFLINE, client_auth="post", public=True
    ),
    "stytch": Quirks(issuer_form="https://<project domain>", scopes=_OFFLINE, client_auth="post", public=True),
    "supabase": Quirks(
        issuer_form="https://<project>.supabase.co/auth/v1",
        scopes=("openid", "profile", "email"),
        client_auth="basic",
        public=True,
    ),
    # Its access tokens are opaque and it sends no id_token: whom they are for, introspection says (RFC 7662).
    "propelauth": Quirks(
        issuer_form="https://<auth host>/oauth/2.1",
        discovery="rfc8414",
        scopes=(),
        required_params=(("resource", "<URL of your MCP server>"),),
        identity="introspection",
        subject_fallback="user_id",
        names=("name", "username"),
        public=True,
    ),
    "scalekit": Quirks(issuer_form="https://<environment>.scalekit.com", scopes=_OFFLINE, client_auth="post"),
    "dex": Quirks(issuer_form="https://<dex host>", scopes=_OFFLINE),
    "authentik": Quirks(issuer_form="https://<host>/application/o/<slug>/", scopes=_OFFLINE, revocation_scope="token"),
    # It takes the one method that the client is registered with, and that is `basic` unless it says otherwise.
    "authelia": Quirks(issuer_form="https://<host>", scopes=_OFFLINE, client_auth="basic", revocation_scope="token"),
}
