-- A client whose grants are ended is denied for good, unless somebody let it in meanwhile. Returns 1, or 0 for that.
-- KEYS  1 denial
-- ARGV  1 what it says while they are being ended   2 what it says then
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
