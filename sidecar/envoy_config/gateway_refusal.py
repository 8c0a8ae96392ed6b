"""The filter for an MCP server that answers 401, as gateways can run it: they make no metadata of the check's headers.

So the check's log headers travel on the request as far as this filter, which runs behind ext_authz: it keeps them for
the answer and for the access log (`%DYNAMIC_METADATA(dcr-sidecar:user)%`), and takes them off. What it does on the
answer is `refusal`'s: our challenge for a 401, the public address for a redirect to the server's own. Owns the script;
where it is hung up is each format's business.
"""

import json
from collections.abc import Iterable
from urllib.parse import urlsplit

from sidecar import headers
from sidecar.directory import Server
from sidecar.envoy_config.plan import CHECK_SECRET_ENV
from sidecar.envoy_config.refusal import CALL_MS, MOVED, challenge

NAMESPACE = "dcr-sidecar"
"""Of the metadata."""

LOG_HEADERS = tuple(f"{headers.LOG_PREFIX}{name}" for name in headers.LOG_FIELDS)


def script(servers: Iterable[Server], cluster: str, *, secret_from: str) -> str:
    """`cluster`: the gateway's own name of the check. `secret_from`: `header` or `environment` of the gateway."""
    known = "\n".join(_known(each) for each in servers)
    if secret_from == "header":  # noqa: S105 - a place
        kept, taken = 'local secret = "-"', f'\n  secret = headers:get("{headers.CHECK_SECRET}") or secret'
    else:
        kept, taken = f'local secret = os.getenv("{CHECK_SECRET_ENV}") or "-"', ""
    return f"""\
{kept}
local servers = {{
{known}
}}
local fields = {{{", ".join(_text(name) for name in headers.LOG_FIELDS)}}}

function envoy_on_request(request)
  local headers = request:headers()
  local kept = request:streamInfo():dynamicMetadata(){taken}
  headers:remove("{headers.CHECK_SECRET}")
  for _, field in ipairs(fields) do
    local value = headers:get("{headers.LOG_PREFIX}" .. field)
    if value ~= nil then
      kept:set("{NAMESPACE}", field, value)
      headers:remove("{headers.LOG_PREFIX}" .. field)
    end
  end
end

function envoy_on_response(response)
  local kept = response:streamInfo():dynamicMetadata():get("{NAMESPACE}")
  if kept == nil or kept["server"] == nil then return end
  local server = servers[kept["server"]] or {{challenge = "Bearer"}}
  local status = response:headers():get(":status")
  if status:sub(1, 1) == "3" then return moved(response:headers(), server.public, server.own) end
  if status ~= "401" then return end
  response:headers():replace("www-authenticate", server.challenge)
  if kept["grant"] ~= nil and kept["serial"] ~= nil then
    response:httpCall("{cluster}", {{
      [":method"] = "POST",
      [":path"] = "{headers.REFUSED_PATH}",
      [":authority"] = "dcr-sidecar",
      ["{headers.LOG_PREFIX}grant"] = kept["grant"],
      ["{headers.LOG_PREFIX}serial"] = kept["serial"],
      ["{headers.CHECK_SECRET}"] = secret,
    }}, "", {CALL_MS}, false)
  end
end

{MOVED}"""


def _known(server: Server) -> str:
    """Own addresses: the origin's, and by its name alone, which is the Host that Envoy Gateway sends."""
    own = dict.fromkeys((urlsplit(server.origin).netloc, urlsplit(server.origin).hostname or ""))
    return f"""\
  [{_text(server.name)}] = {{
    challenge = {_text(challenge(server))},
    public = {_text(server.resource_origin)},
    own = {{{", ".join(_text(name) for name in own)}}},
  }},"""


def _text(value: str) -> str:
    """A Lua string. JSON's differ from Lua's only beyond printable ASCII, which neither names nor challenges hold."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{value!r} cannot stand in a header")
    return json.dumps(value)
