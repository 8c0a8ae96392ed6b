-- Keep a record, if what stands is what its writer has read. Returns its version, or 0 when another stands, or -1 when
-- the pool id that it claims is taken. Versions follow the clock, so that none comes again after a failover lost some.
-- KEYS  1 pools
-- ARGV  1 name   2 version that was read, or '0' for none   3 pool id to claim, or ''   4 sealed record
local stands, version = redis.call('HGET', KEYS[1], ARGV[1]), '0'
if stands then version = string.match(stands, '^(%d+):') end
if version ~= ARGV[2] then return 0 end
if ARGV[3] ~= '' and redis.call('HSETNX', KEYS[1], '#id:' .. ARGV[3], ARGV[1]) == 0 then return -1 end
local revision = int(math.max(tonumber(redis.call('HGET', KEYS[1], '#rev') or 0) + 1, clock('')))
redis.call('HSET', KEYS[1], '#rev', revision, ARGV[1], revision .. ':' .. ARGV[4])
redis.call('PUBLISH', string.match(KEYS[1], '^(.*):pools$') .. ':news', 'pools')
return revision
