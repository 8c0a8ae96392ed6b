-- Admit by GCRA: the key holds the time at which the budget is whole again, and ends then. Returns 0, or ms to wait.
-- Whole microseconds throughout, so that nothing is lost to rounding.
-- KEYS  1 limit
-- ARGV  1 now ms or ''   2 us that each takes to come back   3 burst   4 '1' to spend, '' to ask only
local now, each = clock(ARGV[1]) * 1000, tonumber(ARGV[2])
local most = each * ARGV[3]
local whole = tonumber(redis.call('GET', KEYS[1]) or 0) or 0
-- At most an empty budget: a clock that was set back, or a budget that was made smaller, keeps nobody out for longer.
whole = math.min(math.max(whole, now), now + most) + each
if whole - now > most then return int(math.ceil((whole - now - most) / 1000)) end
if ARGV[4] == '1' then redis.call('SET', KEYS[1], int(whole), 'PX', int(math.ceil((whole - now) / 1000))) end
return 0
