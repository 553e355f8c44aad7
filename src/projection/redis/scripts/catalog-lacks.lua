#!lua flags=allow-oom
-- Whether a repository certainly has no log: it was neither among the markers listed on this server, nor announced since. An
-- entry that says that it does not exist is no proof.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 repository
-- reply 1; 0 if it may have one; -1 if the names must be listed again

-- include shared

if redis.call('HGET', KEYS[1], 'owner') ~= whoami() then return -1 end
if redis.call('ZSCORE', KEYS[2], ARGV[1]) or redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then return 0 end
return 1
