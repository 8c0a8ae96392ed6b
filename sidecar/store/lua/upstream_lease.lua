-- Take the right to refresh the upstream tokens, and leave the mark that an attempt is under way.
-- Returns {outcome, ms}: of the lease when it is given, to wait when it is not.
-- KEYS  1 grant
-- ARGV  1 now ms or ''   2 serial   3 owner   4 lease ms
local stored = redis.call('HMGET', KEYS[1], 's', 'un', 'lo', 'lu', 'lm', 'lc')
if stored[1] ~= SCHEMA then return { 'gone' } end
if stored[2] ~= ARGV[2] then return { 'stale' } end
local now = clock(ARGV[1])
local held, cold = tonumber(stored[3] and stored[4] or 0), tonumber(stored[6] or 0)
if held > now then return { 'busy', int(math.ceil(held - now)) } end
if cold > now then return { 'cooling', int(math.ceil(cold - now)) } end
redis.call('HSET', KEYS[1], 'lo', ARGV[3], 'lu', int(now + ARGV[4]), 'lm', ARGV[2])
redis.call('HDEL', KEYS[1], 'lc')
-- A mark that is still there: its holder neither saved nor gave back.
return { stored[5] and 'interrupted' or 'granted', ARGV[4] }
