-- Deny up to a second, or everything; never less than before. Returns 1, or 0 when what stands denies more.
-- KEYS  1 denial
-- ARGV  1 second, or '*'
local stands = redis.call('GET', KEYS[1])
local weaker = not stands or ARGV[1] == '*' or string.match(stands, '^%d+$') and tonumber(stands) < tonumber(ARGV[1])
if not weaker then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
