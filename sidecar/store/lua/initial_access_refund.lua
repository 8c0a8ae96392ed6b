-- Give a use back that came to nothing. Never makes a token. Returns 1, or 0 when there is none to give it to.
-- KEYS  1 initial access token
local stored = redis.call('HMGET', KEYS[1], 's', 'n')
if stored[1] ~= SCHEMA or not tonumber(stored[2]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'n', 1)
return 1
