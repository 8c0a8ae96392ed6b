-- Stands before every script; SCHEMA is put before this by the loader.
-- A script that adds does so in its first write, so a full store refuses it before anything changed. One that only ends
-- or gives back begins with a write that frees, so a full store lets it.

-- Milliseconds: the given time, or the store's own.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whole numbers as text: Lua would write large ones with an exponent.
local function int(number) return string.format('%.0f', number) end

-- An optional argument is '' when it was not sent, else '=' and the value.
local function differs(sent, stored) return sent ~= '' and sent ~= '=' .. tostring(stored) end

-- Tell every replica that this grant, or one of its tokens, is not what it was. The channel stands beside the key.
local function tell()
  redis.call('PUBLISH', string.match(KEYS[1], '^(.*):g:{') .. ':news', string.match(KEYS[1], '{(.*)}'))
end

local function finish()
  local ended = redis.call('DEL', KEYS[1])
  tell()
  return ended
end
