#!lua
-- Adds names that markers tell of, those of which nothing is known but that a first slot was tried (`?0`).
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1... names
-- reply 1

for _, name in ipairs(ARGV) do
  local change = redis.call('HGET', KEYS[3], name)
  if not change or change == '?0' then redis.call('ZADD', KEYS[2], 0, name) end
end
return 1
