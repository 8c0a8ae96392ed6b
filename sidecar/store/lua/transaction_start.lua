-- Keep a transaction for its browser. Returns 1, or 0 when the handle is taken.
-- KEYS  1 transaction
-- ARGV  1 binding digest   2 sealed   3 life ms
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'b', ARGV[1], 'd', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
