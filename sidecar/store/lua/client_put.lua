-- Store a registry entry: every field of it. One without an end was changed, and gives way to another change only.
-- Returns 1, or 0 when it stays.
-- KEYS  1 client
-- ARGV  1 life ms, or '' for no end   2.. field, value
if ARGV[1] ~= '' and redis.call('PTTL', KEYS[1]) == -1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
if ARGV[1] == '' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
