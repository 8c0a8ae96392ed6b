-- Judge the presented refresh token; if it is the current one, store its successor. Returns {outcome, answer, age s}.
-- KEYS  1 grant
-- ARGV  1 now ms or ''   2 version   3 presented generation   4 grace ms   5 answer, sealed
--       6 n   7.. n fields to drop; field, value (none: judge only)
local stored = redis.call('HMGET', KEYS[1], 's', 'v', 'rg', 're', 'pg', 'pt', 'pa')
if stored[1] ~= SCHEMA then return { 'gone' } end
local now, presented, current = clock(ARGV[1]), tonumber(ARGV[3]), tonumber(stored[3] or 0)
local function over(outcome)
  finish()
  return { outcome }
end
if presented > current then return over('lost') end
if presented < current then
  local grace, age = tonumber(ARGV[4]), now - (stored[6] or 0)
  if grace > 0 and tonumber(stored[5] or -1) == presented and age <= grace then
    return { 'grace', stored[7], int(math.floor(math.max(age, 0) / 1000)) }
  end
  return over('reused')
end
if now >= stored[4] * 1000 then return over('gone') end
local dropped = tonumber(ARGV[6])
if #ARGV == 6 + dropped or stored[2] ~= ARGV[2] then return { 'conflict' } end
redis.call('HSET', KEYS[1], 'pg', ARGV[3], 'pt', int(now), 'pa', ARGV[5], unpack(ARGV, 7 + dropped))
if dropped > 0 then redis.call('HDEL', KEYS[1], unpack(ARGV, 7, 6 + dropped)) end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return { 'fresh' }
