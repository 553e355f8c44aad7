#!lua flags=allow-oom
-- The first slot of a repository is about to be created: from now on catalog-lacks does not report that it has no log.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository
-- reply 1

if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 then redis.call('HSET', KEYS[3], ARGV[1], '?0') end
return 1
