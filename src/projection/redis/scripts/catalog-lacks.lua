#!lua flags=allow-oom
-- Whether a repository has no log: it was neither among the markers that were listed on this server, nor told of since. That one
-- was found not to exist does not say so.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository
-- reply 1; 0 where it may have one; -1 where the names must be listed anew

-- include shared

if redis.call('HGET', KEYS[1], 'owner') ~= whoami() then return -1 end
if redis.call('ZSCORE', KEYS[2], ARGV[1]) or redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then return 0 end
return 1
