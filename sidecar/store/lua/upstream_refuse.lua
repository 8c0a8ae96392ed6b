-- Mark the upstream access token of this serial as refused. Returns 1, or 0 when it is marked or another's already.
-- KEYS  1 grant
-- ARGV  1 serial
if redis.call('HGET', KEYS[1], 'un') ~= ARGV[1] then return 0 end
if redis.call('HSETNX', KEYS[1], 'ux', '1') == 0 then return 0 end
redis.call('HINCRBY', KEYS[1], 'v', 1)
tell()
return 1
