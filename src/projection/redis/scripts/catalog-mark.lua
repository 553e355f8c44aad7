#!lua
-- A slot that makes a repository begin or cease to exist is about to be applied: until that is told, whoever reads the
-- catalog looks at the repository itself.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository  2 the slot
-- reply 1, or 0 when something newer is known

local change = redis.call('HGET', KEYS[3], ARGV[1])
if change and tonumber(string.match(change, '%d+')) > tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], '?' .. ARGV[2])
return 1
