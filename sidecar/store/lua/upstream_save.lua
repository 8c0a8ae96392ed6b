-- Store the refreshed upstream tokens and give the lease back. Returns 1, or 0 when the lease is another's.
-- KEYS  1 grant
-- ARGV  1 owner   2.. field, value
if redis.call('HGET', KEYS[1], 'lo') ~= ARGV[1] then return 0 end
local refused = redis.call('HEXISTS', KEYS[1], 'ux') == 1
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('HDEL', KEYS[1], 'ux', 'uf', 'lo', 'lu', 'lm', 'lc')
if refused then redis.call('HSET', KEYS[1], 'uf', int(clock(''))) end -- renewed because the MCP server refused the last
redis.call('HINCRBY', KEYS[1], 'v', 1)
tell() -- some providers end the old access token with the refresh, and others may still remember it
return 1
