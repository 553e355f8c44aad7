#!lua flags=allow-oom
-- Makes a finished generation the one that is read, in the place of the one that was seen when it was begun, on the server
-- that was asked then and forgot nothing since: what others wrote and lost again would be behind it in the log, unread by
-- whoever made it. Otherwise it is removed.
-- KEYS  1 meta
-- ARGV  1 whoami  2 gen, 3 seq and 4 hash that were seen, empty for none  5 the new gen and 6 how many steps it has
--       7 its seq, 8 hash and 9 whether it exists  10 how long the view of an empty log is kept (s)
--       11 token of the healer and 12 which of its attempts this is
-- reply 1, or 0 when it lost: look again

-- include shared

local function keys_of(gen)
  local keys = { key_of(gen, 'steps') }
  for _, name in ipairs(NAMES) do keys[#keys + 1] = key_of(gen, name) end
  return (unpack or table.unpack)(keys)
end

local m = redis.call('HMGET', KEYS[1], 'gen', 'seq', 'hash')
local isSame = (m[1] or '') == ARGV[2] and (m[2] or '') == ARGV[3] and (m[3] or '') == ARGV[4]
-- A generation may be whole though something was lost: one of no steps, or one that was sent after the loss.
local isMarked = redis.call('HGET', begun_key(), ARGV[11]) == ARGV[12]
-- Steps that are missing were lost with a server, or expired.
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
