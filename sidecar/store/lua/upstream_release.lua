-- Give the lease back: nothing changed upstream, and nobody tries again for a while. Returns 1, or 0 when it is another's.
-- KEYS  1 grant
-- ARGV  1 now ms or ''   2 owner   3 cool-down ms
if redis.call('HGET', KEYS[1], 'lo') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'lo', 'lu', 'lm')
redis.call('HSET', KEYS[1], 'lc', int(clock(ARGV[1]) + ARGV[3]))
return 1
