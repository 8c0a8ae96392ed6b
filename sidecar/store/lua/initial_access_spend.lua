-- Take one use, or ask whether there is one. Returns 1, or 0: unknown, over, used up, another pool's, or unreadable.
-- KEYS  1 initial access token
-- ARGV  1 now ms or ''   2 pool id   3 '1' to spend, '' to ask only
local stored = redis.call('HMGET', KEYS[1], 's', 'p', 'e', 'n')
if stored[1] ~= SCHEMA or stored[2] ~= ARGV[2] then return 0 end
local ends, left = tonumber(stored[3]), tonumber(stored[4])
if not ends or not left or clock(ARGV[1]) >= ends * 1000 or left < 1 then return 0 end
if ARGV[3] == '1' then redis.call('HINCRBY', KEYS[1], 'n', -1) end
return 1
