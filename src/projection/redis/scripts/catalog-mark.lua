#!lua flags=allow-oom
-- A slot that creates or deletes a repository is about to be applied: until it is settled, readers of the catalog ask the
-- repository's own view.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository  2 the slot
-- reply the era, in which what is learned from now on is valid; empty if the catalog was never listed

local change = redis.call('HGET', KEYS[3], ARGV[1])
if not change or tonumber(string.match(change, '%d+')) <= tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
  redis.call('HSET', KEYS[3], ARGV[1], '?' .. ARGV[2])
end
return redis.call('HGET', KEYS[1], 'era') or ''
