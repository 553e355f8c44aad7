#!lua
-- Adds names of markers, except those with a change; `?0` only says that a first slot was announced.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1... names
-- reply 1

for _, name in ipairs(ARGV) do
  local change = redis.call('HGET', KEYS[3], name)
  if not change or change == '?0' then redis.call('ZADD', KEYS[2], 0, name) end
end
return 1
