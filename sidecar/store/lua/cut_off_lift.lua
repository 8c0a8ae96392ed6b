-- Let in again whoever is refused for good, under a new number, so that what begins now is above what was ended.
-- Returns 1, or 0 when nothing new was refused.
-- KEYS  1 denial
local stands = redis.call('GET', KEYS[1])
if not stands or string.match(stands, '^%d+$') then return 0 end
local before = string.match(stands, '^%*(%d+)$')
redis.call('SET', KEYS[1], int(math.max(clock(''), (tonumber(before) or 0) + 1)))
return 1
