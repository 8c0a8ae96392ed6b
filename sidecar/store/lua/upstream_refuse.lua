-- The MCP server refused the upstream access token of this serial: mark it, so that the next use renews it first. End
-- the grant where that cannot help: nothing can renew it, or it was renewed for a refusal a short while ago.
-- Returns the outcome's name.
-- KEYS  1 grant
-- ARGV  1 now ms or ''   2 serial   3 ms for which a token that was renewed for a refusal must serve
local stored = redis.call('HMGET', KEYS[1], 's', 'un', 'ux', 'ur', 'uf')
if stored[1] ~= SCHEMA or stored[2] ~= ARGV[2] or stored[3] then return 'stale' end
if stored[4] ~= '1' or (stored[5] and clock(ARGV[1]) - stored[5] <= tonumber(ARGV[3])) then
  finish()
  return 'ended'
end
redis.call('HSET', KEYS[1], 'ux', '1')
redis.call('HINCRBY', KEYS[1], 'v', 1)
tell()
return 'marked'
