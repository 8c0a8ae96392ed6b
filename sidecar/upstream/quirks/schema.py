"""What can differ between providers. A member exists only when the code honours it; the defaults are the standards'."""

from dataclasses import dataclass
from typing import Literal

ClientAuth = Literal["basic", "basic_raw", "post", "none"]
Discovery = Literal["oidc", "rfc8414", "none"]
IdentitySource = Literal["id_token", "userinfo", "user_and_emails", "token_answer", "introspection"]
IssuerCheck = Literal["exact", "tenant_template", "tenant_guid"]
RevocationScope = Literal["token", "grant", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What a provider needs that the standards leave open, or that it does in its own way."""

    # Where it is -----------------------------------------------------------------------------------------------------

    issuer: str = ""
    """The issuer, where every customer has the same one."""
    issuer_form: str = ""
    """What an issuer looks like, where every customer has another one."""
    discovery: Discovery = "oidc"
    """Which well-known location is asked first; the other one is asked when the first answers 404."""
    issuer_check: IssuerCheck = "exact"
    """`tenant_template`: for many tenants the document's issuer holds `{tenantid}`. `tenant_guid`: it has the tenant's
    GUID where the configured one has its name and a policy."""
    issuer_aliases: tuple[str, ...] = ()
    """Other spellings of `iss` in an id_token."""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    refresh_endpoint: str = ""
    """Where refresh tokens go, relative to the token endpoint; empty: there, too."""
    revocation_endpoint: str = ""
    """Relative to the userinfo endpoint; `{client_id}` is filled in."""
    userinfo_endpoint: str = ""
    public: bool = False
    """Anybody can have an account. Where every customer has an issuer: anybody can sign up there unless that was turned
    off, which we cannot see."""

    # The authorization request ---------------------------------------------------------------------------------------

    authorize_params: tuple[tuple[str, str], ...] = ()
    required_params: tuple[tuple[str, str], ...] = ()
    """(name, example) of parameters without which sign-ins do not work and which only the operator knows."""
    scopes: tuple[str, ...] = ("openid",)
    """Always asked for, before the pool's own."""
    scopes_form: str = ""
    """A scope as an example, where the pool must name some of its own."""
    scope_parameter: str = "scope"
    """Empty: the provider has no scopes."""
    scope_prefix: str = ""
    """Put before a bare scope of the pool and taken off again in the answer; `{client_id}` is filled in."""
    scope_on_token: bool = False
    """`scope` is also sent with the code and with the refresh token, for the first scope's resource only."""
    scope_separator: str = " "
    pkce: bool = True

    # The token request -----------------------------------------------------------------------------------------------

    client_auth: ClientAuth | None = None
    """None: what the discovery document allows, `post` before `basic`."""
    body_format: Literal["form", "json"] = "form"
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with every request but discovery."""

    # Its answer ------------------------------------------------------------------------------------------------------

    token_member: str = ""
    """The member of the answer that holds the user's tokens, when it is there and does."""
    token_types: frozenset[str] = frozenset({"bearer"})
    """Lower case. A `token_type` that is not among them is no token of the user's."""
    answer_separator: str = " "
    scope_aliases: tuple[tuple[str, str], ...] = ()
    """(as answered, as asked)."""
    access_lifetime: int = 0
    """Seconds, for an access token whose answer states none. 0: it has no end."""
    single_use_refresh: Literal["yes", "no", "maybe"] = "maybe"
    """Whether a refresh token always dies by being used, so that trying it again is pointless and raises alarms."""
    error_member: str = ""
    """Where the error code is when there is no `error`."""
    refused_errors: frozenset[str] = frozenset()
    """Error codes that mean what `invalid_grant` means."""
    client_errors: frozenset[str] = frozenset()
    """Error codes that mean what `invalid_client` means."""
    misconfigured_errors: frozenset[str] = frozenset()
    unavailable_errors: frozenset[str] = frozenset()
    error_detail: str = ""
    """A pattern of the provider's own error numbers; a match in the description reaches the log."""

    # Who it is -------------------------------------------------------------------------------------------------------

    identity: IdentitySource = "id_token"
    """Members of an answer that is no id_token are named with dots: `viewer.id`."""
    userinfo_body: str = ""
    """JSON to POST to the userinfo endpoint; empty: it is a GET."""
    userinfo_fills: bool = True
    """The userinfo endpoint is asked for an email address that the id_token lacks."""
    subject: tuple[str, ...] = ("sub",)
    """Claims that together name a user for good."""
    subject_fallback: str = ""
    names: tuple[str, ...] = ("name", "preferred_username")
    email: str = "email"
    email_verified: str = "email_verified"
    tenant_emails: bool = False
    """No `email_verified`: an address counts as verified when the provider vouches for its domain, or when the issuer
    is a single tenant, whose administrators own the directory."""

    # The end ---------------------------------------------------------------------------------------------------------

    revocation_scope: RevocationScope = "none"
    """What a revocation at the provider ends. Only with `token` is it called: `grant` would end other clients too."""
    revocation: Literal["rfc7009", "delete_json"] = "rfc7009"
    """`delete_json`: DELETE with Basic authentication and the access token in a JSON body."""
