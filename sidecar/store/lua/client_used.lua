-- Slide an entry's life; one without an end keeps none. Never makes one. Returns its pool's id, or nil when there is none.
-- KEYS  1 client
-- ARGV  1 used at s   2 life ms
local used = redis.call('HGET', KEYS[1], 'u')
if not used then return nil end
if tonumber(used) < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'u', ARGV[1]) end
if redis.call('PTTL', KEYS[1]) >= 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('HGET', KEYS[1], 'p')
