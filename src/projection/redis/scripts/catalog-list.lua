#!lua
-- Adds names that markers tell of, those of which nothing is known.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1... names
-- reply 1

for _, name in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[3], name) == 0 then redis.call('ZADD', KEYS[2], 0, name) end
end
return 1
