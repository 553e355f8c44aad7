#!lua flags=allow-oom
-- Discards the shared keys of a repository, whatever they contain, because another program wrote to them. The marks of healing
-- attempts are removed too, because a state that was folded before this must not become the view.
-- KEYS  1 meta
-- ARGV  1 unused
-- reply 1

-- include shared

local base = string.sub(KEYS[1], 1, -5)
local keys = { KEYS[1], base .. 'heal', begun_key(), base .. 'turn', base .. 'line' }
local gen = redis.call('TYPE', KEYS[1]).ok == 'hash' and redis.call('HGET', KEYS[1], 'gen')
if gen then
  for _, name in ipairs(NAMES) do keys[#keys + 1] = key_of(gen, name) end
end
redis.call('UNLINK', (unpack or table.unpack)(keys))
return 1
