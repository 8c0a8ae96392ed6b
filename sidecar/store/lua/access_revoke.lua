-- Forget one access token. Returns 1, or 0 when it is not there.
-- KEYS  1 grant
-- ARGV  1 field
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'v', 1)
tell()
return 1
