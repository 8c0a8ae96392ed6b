-- List a name for a while or for good, never shorter than it was; forget those that are over; live as long as the last.
-- KEYS  1 listing
-- ARGV  1 name   2 life ms, or '' for no end
local now = clock('')
redis.call('ZADD', KEYS[1], 'GT', ARGV[2] == '' and '+inf' or int(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now))
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
if last == 'inf' then redis.call('PERSIST', KEYS[1])
elseif last then redis.call('PEXPIREAT', KEYS[1], int(tonumber(last))) end
return 1
