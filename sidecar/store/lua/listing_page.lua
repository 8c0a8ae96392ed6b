-- Names and ends from a listing, in the order of the ends: those that are not over, behind a given one. When that one has
-- moved or gone, all with its end come again, so that none is missed.
-- KEYS  1 listing
-- ARGV  1 limit   2 end of the one before, or ''   3 its name
local start
if ARGV[2] == '' then
  start = redis.call('ZCOUNT', KEYS[1], '-inf', int(clock('')))
elseif redis.call('ZSCORE', KEYS[1], ARGV[3]) == ARGV[2] then
  start = redis.call('ZRANK', KEYS[1], ARGV[3]) + 1
else
  start = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
end
return redis.call('ZRANGE', KEYS[1], start, start + ARGV[1] - 1, 'WITHSCORES')
