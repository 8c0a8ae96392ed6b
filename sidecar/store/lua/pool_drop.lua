-- Remove the record of this version; the id that it claimed stays claimed. Returns 1, or 0 when another stands, or none.
-- KEYS  1 pools
-- ARGV  1 name   2 version
local stands = redis.call('HGET', KEYS[1], ARGV[1])
if not stands or string.match(stands, '^(%d+):') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
local revision = math.max(tonumber(redis.call('HGET', KEYS[1], '#rev') or 0) + 1, clock(''))
redis.call('HSET', KEYS[1], '#rev', int(revision))
redis.call('PUBLISH', string.match(KEYS[1], '^(.*):pools$') .. ':news', 'pools')
return 1
