"""The response filter for an MCP server that answers 401: the client gets our challenge, the sidecar gets to know.

A request that the check itself refused is told apart by its metadata: only an allowed one names the server, and only
one that carries an upstream token names a token set. An assertion of ours or the server's own credential is none: of
their refusal the sidecar is not told. Owns the script; where the challenge stands (each route's metadata) is `routes`'
business.
"""

from sidecar import headers
from sidecar.envoy_config.clusters import CHECK
from sidecar.envoy_config.plan import EnvoyPlan
from sidecar.envoy_config.typed import EXT_AUTHZ, LUA, Doc, typed

CHALLENGE = "challenge"
"""Key of a route's metadata for this filter."""

_CALL_MS = 1000


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
  if response:headers():get(":status") ~= "401" then return end
  local allowed = response:streamInfo():dynamicMetadata():get("{EXT_AUTHZ}")
  if allowed == nil or allowed["{headers.LOG_PREFIX}server"] == nil then return end
  if allowed["{headers.LOG_PREFIX}serial"] ~= nil then
    response:httpCall("{CHECK}", {{
      [":method"] = "POST",
      [":path"] = "{headers.REFUSED_PATH}",
      [":authority"] = "{CHECK}",
{named}{secret}
    }}, "", {_CALL_MS}, false)
  end
  response:headers():replace("www-authenticate", response:metadata():get("{CHALLENGE}"))
end
"""
