-- End what there is, and with '*' refuse what is new, too: a new number, above all that were given here. What stands and is
-- not of this form denies everything, and stays. Returns the number, or 0 when it stays.
-- KEYS  1 denial
-- ARGV  1 '*' or ''
local barred, before = string.match(redis.call('GET', KEYS[1]) or '', '^(%*?)(%d*)$')
if not barred then return '0' end
-- The time, so that none comes again after a failover that lost some; it orders nothing but the numbers of one key.
local number = int(math.max(clock(''), (tonumber(before) or 0) + 1))
redis.call('SET', KEYS[1], (barred == '*' and barred or ARGV[1]) .. number)
return number
