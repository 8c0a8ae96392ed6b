-- Store a registry entry: every field of it. Returns 1.
-- KEYS  1 client
-- ARGV  1 life ms   2.. field, value
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
