#!lua flags=allow-oom
-- It is known whether a repository exists at a slot. What was seen at an older slot than the newest that is known, or that
-- is awaited (`?<slot>`), changes nothing. What was learned in another era may be older than all that was forgotten since, and
-- newer than what was found out in this one: the repository is looked at again.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository  2 the slot  3 whether it exists there (1, 0)  4 the era in which that was learned
-- reply 1, or 0 when something newer is known

local change = redis.call('HGET', KEYS[3], ARGV[1])
if change and tonumber(string.match(change, '%d+')) > tonumber(ARGV[2]) then return 0 end
local isOfNow = (redis.call('HGET', KEYS[1], 'era') or '') == ARGV[4]
redis.call('HSET', KEYS[3], ARGV[1], (isOfNow and '' or '?') .. ARGV[2])
if ARGV[3] == '1' or not isOfNow then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
