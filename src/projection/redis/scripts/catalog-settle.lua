#!lua flags=allow-oom
-- Records whether a repository exists at a slot. A slot older than the known or awaited one (`?<slot>`) changes nothing. What was
-- learned in another era may be older than entries that were lost, and newer than entries of this era: it only marks the
-- repository to be read again.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository  2 the slot  3 whether it exists at that slot (1, 0)  4 the era in which that was learned
-- reply 1, or 0 if a newer slot is known

local change = redis.call('HGET', KEYS[3], ARGV[1])
if change and tonumber(string.match(change, '%d+')) > tonumber(ARGV[2]) then return 0 end
local is_current = (redis.call('HGET', KEYS[1], 'era') or '') == ARGV[4]
redis.call('HSET', KEYS[3], ARGV[1], (is_current and '' or '?') .. ARGV[2])
if ARGV[3] == '1' or not is_current then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
