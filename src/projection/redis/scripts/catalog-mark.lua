#!lua flags=allow-oom
-- A slot that makes a repository begin or cease to exist is about to be applied: until that is told, whoever reads the
-- catalog looks at the repository itself.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository  2 the slot
-- reply the era: what is learned from now on counts as long as that lasts; empty where the catalog was never listed

local change = redis.call('HGET', KEYS[3], ARGV[1])
if not change or tonumber(string.match(change, '%d+')) <= tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  redis.call('HSET', KEYS[3], ARGV[1], '?' .. ARGV[2])
end
return redis.call('HGET', KEYS[1], 'era') or ''
