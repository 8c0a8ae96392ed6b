-- List a grant until its end, forget those that are over, and let the list live as long as its last entry.
-- KEYS  1 index
-- ARGV  1 grant id   2 end ms or ''   3 life ms, when there is no end
local now = clock('')
local ends = ARGV[2] ~= '' and tonumber(ARGV[2]) or now + ARGV[3]
redis.call('ZADD', KEYS[1], 'GT', int(ends), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now))
-- PEXPIREAT GT takes a key without expiry for the longest-lived, which a new one is not.
if redis.call('PTTL', KEYS[1]) < math.max(ends - now, 0) then redis.call('PEXPIREAT', KEYS[1], int(ends)) end
return 1
