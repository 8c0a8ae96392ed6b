-- A new grant, which lives as long as its code. Returns 1, or 0 when the key is taken.
-- KEYS  1 grant
-- ARGV  1 code life ms   2 margin ms   3.. field, value
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local code_end = clock('') + ARGV[1]
redis.call('HSET', KEYS[1], 'ce', int(code_end), unpack(ARGV, 3))
redis.call('PEXPIREAT', KEYS[1], int(code_end + ARGV[2]))
return 1
