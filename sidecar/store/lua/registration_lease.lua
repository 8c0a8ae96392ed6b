-- Take the right to change a pool's registration at its IdP, and leave the mark that a try is under way.
-- Returns {outcome, ms, failures}: ms of the lease when it is given, to wait when it is not.
-- KEYS  1 upstream registration
-- ARGV  1 now ms or ''   2 owner   3 lease ms   4 ms until all of it is forgotten
local stored = redis.call('HMGET', KEYS[1], 'lo', 'lu', 'lc', 'n')
local now, failures = clock(ARGV[1]), tonumber(stored[4] or 0)
local held, cold = tonumber(stored[1] and stored[2] or 0), tonumber(stored[3] or 0)
if held > now then return { 'busy', int(math.ceil(held - now)), failures } end
if cold > now then return { 'cooling', int(math.ceil(cold - now)), failures } end
redis.call('HSET', KEYS[1], 'lo', ARGV[2], 'lu', int(now + ARGV[3]))
redis.call('HDEL', KEYS[1], 'lc')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
-- An owner that is still there: it neither finished nor gave back.
return { stored[1] and 'interrupted' or 'granted', ARGV[3], failures }
