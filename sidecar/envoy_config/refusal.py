"""The response filter for an MCP server that answers 401: the client gets our challenge, the sidecar gets to know.

A redirect to the server's own address, which nobody outside reaches, leads to the public one instead: so many servers
answer `/mcp/` where they know `/mcp`, or the reverse, and clients follow within one origin only.

A request that the check itself refused is told apart by its metadata: only an allowed one names the server, and only
one that carries an upstream token names a token set. An assertion of ours or the server's own credential is none: of
their refusal the sidecar is not told. Owns the script, and what it shares with `gateway_refusal`'s; where the challenge
stands (each route's metadata) is `routes`' business.
"""

from sidecar import headers
from sidecar.directory import Server
from sidecar.envoy_config.clusters import CHECK
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.typed import EXT_AUTHZ, LUA, Doc, typed
from sidecar.oauth.challenge import bearer_challenge
from sidecar.oauth.errors import InvalidToken

CHALLENGE, AUTHORITY, PUBLIC = "challenge", "authority", "public"
"""Keys of a route's metadata for this filter. The other two: where the server is behind us (a list), and publicly."""

CALL_MS = 1000

MOVED = """\
function moved(headers, public, own)
  local authority, rest = (headers:get("location") or ""):match("^https?://([^/?#]*)(.*)$")
  for _, name in ipairs(own or {}) do
    if authority == name then headers:replace("location", public .. rest) end
  end
end
"""
"""`own`: authorities by which only we reach the server. Without any, every redirect passes as it is."""


def challenge(server: Server) -> str:
    """What a client hears when the server refuses its upstream token: to sign in again, here (RFC 9728 5.1)."""
    return bearer_challenge(
        resource_metadata=server.metadata_url(),
        scope=server.base_scopes,
        error=InvalidToken.code,
        description=InvalidToken.default,
    )


def refusal_filter(plan: EnvoyPlan) -> Doc:
    message = "extensions.filters.http.lua.v3.Lua"
    return {"name": LUA, "typed_config": typed(message, default_source_code={"inline_string": _script(plan)})}


def _script(plan: EnvoyPlan) -> str:
    named = "\n".join(
        f'      ["{headers.LOG_PREFIX}{name}"] = allowed["{headers.LOG_PREFIX}{name}"],' for name in ("grant", "serial")
    )
    # Synchronous: the client must not come back before the sidecar knows. An empty answer is as good as any.
    secret = ""
    if plan.check_secret:
        secret = f'\n      ["{headers.CHECK_SECRET}"] = os.getenv("{plan.check_secret_env}") or "-",'
    return f"""\
function envoy_on_response(response)
  local status = response:headers():get(":status")
  if status:sub(1, 1) == "3" then
    local place = response:metadata()
    return moved(response:headers(), place:get("{PUBLIC}"), place:get("{AUTHORITY}"))
  end
  if status ~= "401" then return end
  local allowed = response:streamInfo():dynamicMetadata():get("{EXT_AUTHZ}")
  if allowed == nil or allowed["{headers.LOG_PREFIX}server"] == nil then return end
  if allowed["{headers.LOG_PREFIX}serial"] ~= nil then
    response:httpCall("{CHECK}", {{
      [":method"] = "POST",
      [":path"] = "{headers.REFUSED_PATH}",
      [":authority"] = "{CHECK}",
{named}{secret}
    }}, "", {CALL_MS}, false)
  end
  response:headers():replace("www-authenticate", response:metadata():get("{CHALLENGE}"))
end

{MOVED}"""
