-- Keep what an initial access token is good for, until its end. Returns 1, or 0 when there is one of this id.
-- KEYS  1 initial access token
-- ARGV  1 end ms   2.. field, value
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1
