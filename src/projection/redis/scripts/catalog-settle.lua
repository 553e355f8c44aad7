#!lua
-- It is known whether a repository exists at a slot. What was seen at an older slot than the newest that is known, or that
-- is awaited (`?<slot>`), changes nothing.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository  2 the slot  3 whether it exists there (1, 0)
-- reply 1, or 0 when something newer is known

local change = redis.call('HGET', KEYS[3], ARGV[1])
if change and tonumber(string.match(change, '%d+')) > tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
