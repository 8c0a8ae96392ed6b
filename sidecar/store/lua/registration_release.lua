-- Give the lease back: done, which forgets the failures before, or in vain, so that nobody tries again for a while.
-- Returns 1, or 0 when the lease is another's.
-- KEYS  1 upstream registration
-- ARGV  1 now ms or ''   2 owner   3 cool-down ms, 0 when it is done
if redis.call('HGET', KEYS[1], 'lo') ~= ARGV[2] then return 0 end
if tonumber(ARGV[3]) == 0 then return redis.call('DEL', KEYS[1]) end
redis.call('HDEL', KEYS[1], 'lu')
redis.call('HINCRBY', KEYS[1], 'n', 1)
redis.call('HSET', KEYS[1], 'lc', int(clock(ARGV[1]) + ARGV[3]))
redis.call('HDEL', KEYS[1], 'lo') -- last: a hash that was empty for a moment would have lost its end
return 1
