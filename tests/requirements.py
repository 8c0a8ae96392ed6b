"""What the sidecar owes its clients, by number: the manifest that `@pytest.mark.req(...)` refers to.

Levels: M a standard requires it; S a standard recommends it; O an optional feature; I no standard says so, but a real
client breaks without it; U whole-system conformance runs. `test_requirements.py` demands a test for every M that is not
in NOT_YET.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Level = Literal["M", "S", "O", "I", "U"]


class Requirement(NamedTuple):
    level: Level
    title: str


_TEXT = """
  1 M The issuer is fixed by configuration: https, no query or fragment, never from Host (RFC 8414 2)
  2 M The issuer is the same bytes in PRM, AS metadata and every `iss` (RFC 8414 3.3, RFC 9207 2)
  3 I A root issuer has no trailing slash anywhere
  4 M The upstream's issuer, endpoints and keys never appear as ours
  5 M http is for loopback only; any other http issuer does not start
  6 I /authorize, /token and /register exist at the root of the MCP origin
  7 I No endpoint answers with a cross-origin redirect; POST endpoints never redirect
  8 I /mcp and /mcp/ are one protected route
  9 M PRM is served at the path-inserted URL (RFC 9728 3)
 10 I One server on a host: its PRM also at the root; several: 404 there
 11 M `resource` is the configured URL, absolute, without fragment (RFC 9728 2)
 12 I The slash variant's document and challenge echo the slash; the others have none
 13 M `authorization_servers` begins with our issuer
 14 S PRM lists only the base scopes, and no empty array
 15 S offline_access is neither in PRM nor in challenges
 16 S `bearer_methods_supported` is ["header"]
 17 M PRM needs no authentication, and a bad token does not matter
 18 I A query on the PRM URL is ignored
 19 I Unknown well-known paths: 404 JSON
 20 M PRM holds no null and no empty array
 21 M AS metadata is served at the RFC 8414 location, for path issuers too
 22 M AS metadata `issuer` is the string its URL was built from (RFC 8414 3.3)
 23 M Authorization, token and registration endpoints and response type `code` are published, at our origin
 24 M `code_challenge_methods_supported` is exactly ["S256"]
 25 S `authorization_response_iss_parameter_supported` is true, because we send it
 26 M Only grants that work are published
 27 M Client authentication methods are published in full
 28 I CIMD support is published only with method `none`, and only when on
 29 S The revocation endpoint is published when it exists
 30 S AS metadata scopes are few; offline_access only if honoured
 31 M Upstream-only members are dropped on rewrite
 32 I `authorization_endpoint` has no query
 33 I /.well-known/openid-configuration: 404 or a complete document
 34 M AS metadata: no null, no empty array, absolute endpoints (RFC 8414 3.2)
 35 S AS metadata is cacheable and survives an IdP that is down
 36 M The IdP's metadata is checked: issuer, https, size, time, no redirects
 37 M Registration: 201, JSON, no-store (RFC 7591 3.2.1)
 38 M Registration bodies are JSON; anything else is a JSON error
 39 M The 201 echoes every registered value, defaults included (RFC 7591 3.2.1)
 40 I The 201 always has the arrays clients parse, and no null or ""
 41 M RFC 7591 2 defaults for absent members
 42 M A secret only for secret methods, then with an integer `client_secret_expires_at`
 43 I `none` in, `none` out, no secret
 44 I client_secret_post registers and works
 45 I Secrets and ids are of unreserved URL characters
 46 M Generated ids never begin with https://
 47 M Unknown metadata members are ignored (RFC 7591 2)
 48 S `application_type` is accepted and forbids nothing when omitted
 49 M Redirect URIs are required, absolute, without fragment or userinfo
 50 M http redirect URIs on loopback only
 51 M Script, data and file schemes and wildcards are refused
 52 I Private-use schemes by allow-list; known editors work from the box
 53 I Policy-refused redirect URIs are dropped from a mixed registration
 54 S Redirect hosts can be restricted
 55 M Unsupported grant and response types are removed or refused
 56 I An empty scope is absent; a wide one is narrowed
 57 M jwks and jwks_uri together are refused (RFC 7591 2)
 58 M A software statement changes nothing (RFC 7591 2.3)
 59 M Registration errors are 400 JSON with a registered code (RFC 7591 3.2.2)
 60 M Client text is bounded, escaped on pages, and free of control and bidi characters
 61 S Foreign logo and policy URLs are dropped or marked; nothing is hot-linked
 62 S Registration limits answer 429 JSON with Retry-After
 63 S Idle registry entries go; ids stay usable
 64 O Initial access tokens: 401 Bearer without a good one
 65 M A registration survives restarts and holds on every replica
 66 M 7592: the 201 carries registration_client_uri and token
 67 M 7592: GET answers 200 with current metadata, no-store
 68 M 7592: bad token and vanished client give the same 401
 69 M 7592: another client's token gets nothing
 70 M 7592: PUT refuses foreign ids, server members and wrong secrets
 71 M 7592: PUT replaces; omitted members return to default
 72 M 7592: PUT passes registration policy and voids remembered consent
 73 M 7592: DELETE ends the client and everything it holds
 74 S 7592: the token is derived and compared in constant time; other verbs 405
 75 M CIMD: only clean https URLs with a path are fetched
 76 M CIMD: 200, no redirects, bounded size and time, JSON
 77 M CIMD: no private addresses; the checked address is the connected one
 78 M CIMD: the document names its own URL, a name and redirect URIs
 79 M CIMD: no shared secrets
 80 I CIMD: private_key_jwt documents work
 81 S CIMD: cache headers are honoured within bounds; errors never cached
 82 M CIMD: redirect URIs from the document, with the loopback port rule
 83 M CIMD: the page shows id host and redirect host, and warns of loopback-only
 84 S CIMD: domain policy; a changed document asks again
 85 I CIMD leaves DCR on
 86 M Unknown client or bad redirect: local 400 page, never a redirect (RFC 6749 4.1.2.1)
 87 M Redirect URIs match as strings (RFC 9700 2.1)
 88 S redirect_uri may be absent only if exactly one is registered
 89 M Repeated parameters are refused, unknown ignored, empty absent (RFC 6749 3.1)
 90 M Loopback: only the port may differ (RFC 8252 7.3)
 91 M Other response types: unsupported_response_type
 92 M PKCE with S256 or invalid_request (RFC 7636 4.4.1)
 93 M The challenge is 43 base64url characters
 94 M `resource` is one of ours, or invalid_target (RFC 8707 2)
 95 I An absent `resource` means the only one
 96 M Scopes never exceed registration and server policy (RFC 6749 3.3)
 97 I Other OIDC parameters break nothing and are not passed on
 98 M `state` is opaque and comes back byte for byte
 99 M Every redirect to the client has state and iss once (RFC 9207 2)
100 M No CORS at /authorize
101 M Consent comes before any redirect to the IdP
102 M The page names client, redirect host, scopes and resource
103 M Self-declared values are marked unverified
104 M Approval needs a single-use form bound to the browser
105 M Pages cannot be framed
106 I No form-action that breaks the redirect chain
107 S Strict CSP, referrer policy, no-store, nosniff
108 M Denial redirects access_denied with state and iss
109 M Cookies: __Host-, Secure, HttpOnly, SameSite=Lax, bound
110 M Remembered consent only for the identical request
111 S 303 after POST, never 307
112 M Upstream state is random, single use, short, and bound to the browser
113 M One fixed upstream redirect URI of ours
114 M Our own PKCE and nonce upstream
115 M Upstream `iss` is checked and not forwarded (RFC 9207 2.4)
116 I Client parameters are not forwarded upstream
117 M Upstream errors are mapped; their text is not leaked
118 M ID tokens are verified: signature, iss, aud, exp, nonce, alg
119 M Upstream tokens are sealed and never reach a client
120 M A repeated callback gives a clear page and no second code
121 M Codes are random, unreserved, short-lived, single use, not stored in clear
122 M A code is bound to client, redirect, challenge, resource, scopes and user
123 M The redirect URI's own query is kept (RFC 6749 3.1.2)
124 I Redirects reach custom schemes and loopback ports
125 M /token is POST and form-encoded only
126 M Token answers are JSON and no-store
127 M Token answers have the members clients parse, and no null
128 M No error travels with 200
129 M Repeated token parameters are refused, unknown ignored
130 M Failed client authentication: 401 invalid_client (RFC 6749 5.2)
131 I A deleted client gets invalid_client at /token
132 M Only the registered authentication method, and only one
133 M Basic credentials are form-decoded (RFC 6749 2.3.1)
134 M Unsupported grants: unsupported_grant_type; unregistered ones: unauthorized_client
135 S Secrets are compared in constant time
136 M An IdP that is down never gives invalid_grant
137 M The verifier is required and must match (RFC 7636 4.6)
138 M No code without a challenge is redeemed
139 M redirect_uri at /token: equal or absent
140 M Code replay ends the grant (RFC 6749 4.1.2)
141 M Another client's code: invalid_grant, and the code still stands
142 M `resource` at /token: the bound one or absent (RFC 8707 2.2)
143 I A trailing slash between authorize and token is tolerated
144 M An access token is for one resource, and names issuer, client and user
145 S Access tokens live between 10 and 60 minutes
146 S Refresh tokens only for clients that registered for them
147 M Refresh tokens rotate (RFC 9700 4.14.2)
148 M Reuse outside the grace ends the family
149 I Within the grace all repeats get one working answer
150 M Refresh tokens are bound to their client
151 M Refreshed scopes may narrow, never widen (RFC 6749 6)
152 M `resource` at refresh: equal or absent
153 M Refresh has an idle and an absolute end
154 M A dead upstream session: invalid_grant; upstream rotation is stored first
155 I A dead refresh token is exactly invalid_grant
156 O client_credentials only for pre-registered confidential clients
157 O private_key_jwt is fully verified (RFC 7523)
158 O Identity assertion grants are fully verified
159 O Token exchange checks audience and leaks nothing (RFC 8693)
160 M password and implicit do not exist
161 M /revoke is a form POST with client authentication (RFC 7009 2.1)
162 M Unknown tokens at /revoke: 200 (RFC 7009 2.2)
163 M Another client's token is not revoked
164 M Revoking stops MCP traffic within the stated bound
165 S Unknown token_type_hint is ignored
166 S Upstream revocation is best effort
167 M Introspection authenticates its caller (RFC 7662 2)
168 M Introspection shows no upstream token
169 M No token: 401, one Bearer challenge, no error member (RFC 9728 5.1)
170 M Bad token: 401 invalid_token
171 M Upstream tokens from clients are refused
172 M Tokens in the Authorization header only
173 M The scheme is case-insensitive; empty or double headers are refused
174 S Missing scope: 403 insufficient_scope, naming what is needed
175 M Broad scopes imply narrow ones
176 I 403 for nothing but scope and Origin
177 I Challenge values survive the SDKs' regular expressions
178 M Every request is checked; a session id is no authentication
179 M The client's credential and identity headers never reach the MCP server
180 M The decision cache is bounded and fails closed
181 M No path trick gets around the check
182 I Routes without authorization are an explicit list
183 I Envoy passes the challenge and CORS headers of a denial
184 S Preflights need no token
185 I Preflights allow the headers MCP clients send
186 I Answers expose the challenge and session headers
187 M No credentials with *, no CORS on pages
188 M A foreign Origin on MCP: 403
189 M Streams are not buffered or cut early
190 M Stateful and stateless MCP both pass
191 M Method headers decide only where the version says they are binding
192 M No secret in logs, metrics, pages or URLs
193 M At rest: no token in clear; key rotation works
194 S Audit events for what matters
195 M Clock skew is tolerated; the store's time decides
196 M Parallel use is safe across replicas
197 U Conformance: authorization
198 U Conformance: server, direct and through Envoy alike
199 U Real SDK clients complete every flow
200 U A browser ends at every kind of redirect URI
"""


def _parse(text: str) -> dict[int, Requirement]:
    found: dict[int, Requirement] = {}
    for line in text.strip().splitlines():
        number, level, title = line.split(maxsplit=2)
        assert level in ("M", "S", "O", "I", "U"), line
        assert int(number) not in found, line
        found[int(number)] = Requirement(level, title)
    return found


REQUIREMENTS: Mapping[int, Requirement] = _parse(_TEXT)

NOT_YET: Mapping[int, str] = {
    110: "consent is asked every time; remembering it is not offered yet",
    **dict.fromkeys((167, 168), "introspection is out of scope"),
    191: "no decision reads Mcp-Method or Mcp-Name",
}
"""Level M, but of a feature that is not offered. Once a test names the id, its entry here must go."""
