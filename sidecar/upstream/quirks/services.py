"""Presets of services whose own accounts are the identities: anybody can have one, so `allow` is always demanded."""

from collections.abc import Mapping
from dataclasses import replace

from sidecar.upstream.quirks.schema import Quirks

_GITHUB = Quirks(
    issuer="https://github.com/login/oauth",
    discovery="none",
    authorization_endpoint="https://github.com/login/oauth/authorize",
    token_endpoint="https://github.com/login/oauth/access_token",  # noqa: S106 - a URL
    userinfo_endpoint="https://api.github.com/user",
    # Never without a scope: that would mean all that the user ever gave to this app.
    scopes=("user:email",),
    answer_separator=",",
    client_auth="post",
    refused_errors=frozenset({"bad_verification_code", "bad_refresh_token"}),
    client_errors=frozenset({"incorrect_client_credentials"}),
    misconfigured_errors=frozenset({"redirect_uri_mismatch", "application_suspended"}),
    single_use_refresh="yes",
    identity="user_and_emails",
    subject=("id",),
    names=("name", "login"),
    revocation_scope="token",
    revocation="delete_json",
    revocation_endpoint="applications/{client_id}/token",
    public=True,
)

SERVICES: Mapping[str, Quirks] = {
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
    "github-app": replace(_GITHUB, scopes=(), scope_parameter=""),  # permissions instead
    "gitlab": Quirks(
        issuer="https://gitlab.com",
        scopes=("openid", "profile", "email"),
        single_use_refresh="yes",
        revocation_scope="token",
        public=True,
    ),
    "salesforce": Quirks(
        issuer="https://login.salesforce.com",
        scopes=("openid", "profile", "email", "refresh_token"),
        client_auth="post",
        access_lifetime=7200,  # no answer has expires_in; this is the default session timeout
        client_errors=frozenset({"invalid_client_id", "invalid_client_credentials"}),
        misconfigured_errors=frozenset({"invalid_app_access"}),
        unavailable_errors=frozenset({"rate_limit_exceeded"}),
        revocation_scope="token",
        public=True,
    ),
    "slack": Quirks(
        discovery="none",
        authorization_endpoint="https://slack.com/oauth/v2_user/authorize",
        token_endpoint="https://slack.com/api/oauth.v2.user.access",  # noqa: S106 - a URL
        userinfo_endpoint="https://slack.com/api/auth.test",
        scopes=(),
        scopes_form="search:read.public",
        scope_separator=",",
        client_auth="basic",
        token_member="authed_user",  # noqa: S106 - a name
        token_types=frozenset({"user", "bearer"}),  # `bot` is not the user
        answer_separator=",",
        single_use_refresh="yes",
        refused_errors=frozenset(
            {"invalid_code", "code_already_used", "code_expired", "invalid_refresh_token", "token_expired"}
            | {"token_revoked", "account_inactive"}
        ),
        client_errors=frozenset({"bad_client_secret", "invalid_client_id"}),
        misconfigured_errors=frozenset({"bad_redirect_uri"}),
        unavailable_errors=frozenset(
            {"internal_error", "fatal_error", "ratelimited", "request_timeout", "service_unavailable"}
        ),
        identity="userinfo",
        userinfo_body="{}",
        subject=("team_id", "user_id"),
        names=("user",),
        revocation_scope="grant",  # without rotation every sign-in of a user has the same token
        public=True,
    ),
    "slack-oidc": Quirks(
        issuer="https://slack.com",
        scopes=("openid", "profile", "email"),
        pkce=False,
        subject=("https://slack.com/team_id", "https://slack.com/user_id"),
        public=True,
    ),
    "atlassian": Quirks(
        discovery="none",
        authorization_endpoint="https://auth.atlassian.com/authorize",
        token_endpoint="https://auth.atlassian.com/oauth/token",  # noqa: S106 - a URL
        userinfo_endpoint="https://api.atlassian.com/me",
        authorize_params=(("audience", "api.atlassian.com"), ("prompt", "consent")),
        scopes=("read:me", "offline_access"),
        client_auth="post",
        body_format="json",
        identity="userinfo",
        subject=("account_id",),
        public=True,
    ),
    "linear": Quirks(
        discovery="none",
        authorization_endpoint="https://linear.app/oauth/authorize",
        token_endpoint="https://api.linear.app/oauth/token",  # noqa: S106 - a URL
        userinfo_endpoint="https://api.linear.app/graphql",
        scopes=("read",),
        scope_separator=",",
        answer_separator=",",
        client_auth="post",
        identity="userinfo",
        userinfo_body='{"query":"{ viewer { id name email } organization { id urlKey } }"}',
        subject=("data.viewer.id",),
        names=("data.viewer.name",),
        email="data.viewer.email",
        public=True,
    ),
    "notion": Quirks(
        discovery="none",
        authorization_endpoint="https://api.notion.com/v1/oauth/authorize",
        token_endpoint="https://api.notion.com/v1/oauth/token",  # noqa: S106 - a URL
        authorize_params=(("owner", "user"),),
        scopes=(),
        scope_parameter="",
        pkce=False,
        client_auth="basic",
        body_format="json",
        headers=(("Notion-Version", "2022-06-28"),),
        identity="token_answer",
        subject=("owner.user.id",),
        names=("owner.user.name",),
        email="owner.user.person.email",
        public=True,
    ),
    "discord": Quirks(
        discovery="none",
        authorization_endpoint="https://discord.com/oauth2/authorize",
        token_endpoint="https://discord.com/api/oauth2/token",  # noqa: S106 - a URL
        userinfo_endpoint="https://discord.com/api/users/@me",
        scopes=("identify", "email"),
        client_auth="post",
        identity="userinfo",
        subject=("id",),
        names=("global_name", "username"),
        email_verified="verified",
        revocation_scope="grant",
        public=True,
    ),
    "hubspot": Quirks(
        discovery="none",
        authorization_endpoint="https://app.hubspot.com/oauth/authorize",
        token_endpoint="https://api.hubapi.com/oauth/2026-03/token",  # noqa: S106 - a URL
        scopes=("oauth",),
        client_auth="post",
        single_use_refresh="no",
        error_member="status",
        refused_errors=frozenset({"BAD_AUTH_CODE", "BAD_REFRESH_TOKEN"}),
        client_errors=frozenset({"BAD_CLIENT_ID", "BAD_CLIENT_SECRET"}),
        misconfigured_errors=frozenset({"BAD_REDIRECT_URI"}),
        identity="token_answer",
        subject=("hub_id", "user_id"),
        public=True,
    ),
    "figma": Quirks(
        discovery="none",
        authorization_endpoint="https://www.figma.com/oauth",
        token_endpoint="https://api.figma.com/v1/oauth/token",  # noqa: S106 - a URL
        refresh_endpoint="refresh",
        userinfo_endpoint="https://api.figma.com/v1/me",
        scopes=("current_user:read",),
        client_auth="basic",
        single_use_refresh="no",
        identity="userinfo",
        subject=("id",),
        names=("handle",),
        public=True,
    ),
    "asana": Quirks(
        discovery="none",
        authorization_endpoint="https://app.asana.com/-/oauth_authorize",
        token_endpoint="https://app.asana.com/-/oauth_token",  # noqa: S106 - a URL
        scopes=(),
        scopes_form="default",
        client_auth="post",
        single_use_refresh="no",
        identity="token_answer",
        subject=("data.gid",),
        subject_fallback="data.id",
        names=("data.name",),
        email="data.email",
        public=True,
    ),
}
