-- Compare the binding, then consume. Returns {outcome, sealed}.
-- KEYS  1 transaction
-- ARGV  1 binding digest
local stored = redis.call('HMGET', KEYS[1], 'b', 'd')
if not stored[1] then return { 'gone' } end
if stored[1] ~= ARGV[1] then return { 'stranger' } end
redis.call('DEL', KEYS[1])
return { 'taken', stored[2] }
