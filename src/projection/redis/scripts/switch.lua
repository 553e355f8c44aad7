#!lua flags=allow-oom
-- Switches to a finished generation. Only if the generation that was inspected is still there, on the same server, and that server
-- lost no data since: otherwise other nodes may have applied and lost slots that the new generation lacks. Else it is removed.
-- KEYS  1 meta
-- ARGV  1 whoami  2 gen, 3 seq and 4 hash as inspected, empty for none  5 the new gen and 6 its number of steps
--       7 its seq, 8 hash and 9 whether it exists  10 lifetime of the view of an empty log (s)
--       11 token of the healer and 12 number of its attempt
-- reply 1, or 0 if it was not switched: inspect again

-- include shared

local function keys_of(gen)
  local keys = { key_of(gen, 'steps') }
  for _, name in ipairs(NAMES) do keys[#keys + 1] = key_of(gen, name) end
  return (unpack or table.unpack)(keys)
end

local m = redis.call('HMGET', KEYS[1], 'gen', 'seq', 'hash')
local isSame = (m[1] or '') == ARGV[2] and (m[2] or '') == ARGV[3] and (m[3] or '') == ARGV[4]
-- A generation may be complete in spite of a loss: if it has no steps, or all were sent after the loss.
local isMarked = redis.call('HGET', begun_key(), ARGV[11]) == ARGV[12]
-- Missing steps were lost with a server, or expired.
local isWhole = redis.call('HLEN', key_of(ARGV[5], 'steps')) == tonumber(ARGV[6])
if not isSame or not isWhole or not isMarked or whoami() ~= ARGV[1] then
  redis.call('UNLINK', keys_of(ARGV[5]))
  return 0
end
for _, name in ipairs(NAMES) do redis.call('PERSIST', key_of(ARGV[5], name)) end
redis.call('DEL', key_of(ARGV[5], 'steps'))
redis.call('HSET', KEYS[1], 'gen', ARGV[5], 'seq', ARGV[7], 'hash', ARGV[8], 'exists', ARGV[9], 'owner', ARGV[1],
  'layout', layout_of(ARGV[5], ARGV[7]))
redis.call('HDEL', KEYS[1], 'cursor')
if ARGV[7] == '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[10])
else
  redis.call('PERSIST', KEYS[1])
end
if m[1] then redis.call('UNLINK', keys_of(m[1])) end
return 1
