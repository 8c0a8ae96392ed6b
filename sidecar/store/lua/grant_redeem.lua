-- Compare what the caller proved, then consume the code and store the tokens. Returns the outcome's name.
-- KEYS  1 grant
-- ARGV  1 now ms or ''   2 version   3 client   4 redirect, optional   5 resource, optional   6 challenge
--       7 double submit ms   8 wrong verifiers that burn   9 grant end ms
--       10 n   11.. n fields to drop; field, value (none: judge only)
local stored = redis.call('HMGET', KEYS[1], 's', 'v', 'cl', 'ru', 'rs', 'cc', 'ce', 'cu')
if stored[1] ~= SCHEMA then return 'gone' end
-- A wrong client, redirect or resource never counts: whoever sees a code in passing must not be able to burn it.
if stored[3] ~= ARGV[3] or differs(ARGV[4], stored[4]) or differs(ARGV[5], stored[5]) then return 'mismatch' end
local proven = stored[6] ~= '' and stored[6] == ARGV[6]
local now = clock(ARGV[1])
if stored[8] then -- used: the mark stays as long as the grant, so that a replay is always seen
  if not proven then return 'mismatch' end
  local double = tonumber(ARGV[7])
  if double > 0 and now - stored[8] <= double then return 'double' end
  finish()
  return 'replayed'
end
if now >= tonumber(stored[7]) then return 'expired' end
if not proven then
  if redis.call('HINCRBY', KEYS[1], 'ct', 1) < tonumber(ARGV[8]) then return 'mismatch' end
  finish()
  return 'burnt'
end
local dropped = tonumber(ARGV[10])
if #ARGV == 10 + dropped or stored[2] ~= ARGV[2] then return 'conflict' end
redis.call('HSET', KEYS[1], 'cu', int(now), unpack(ARGV, 11 + dropped))
redis.call('HDEL', KEYS[1], 'cw', 'ct', unpack(ARGV, 11, 10 + dropped))
redis.call('HINCRBY', KEYS[1], 'v', 1)
redis.call('PEXPIREAT', KEYS[1], ARGV[9])
return 'fresh'
