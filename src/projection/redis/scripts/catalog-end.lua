#!lua
-- All markers were listed: the catalog is complete, if this is still the server on which the listing began.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 whoami when the listing began  2 name of the listing
-- reply 1, or 0: list again

-- include shared

-- A loss of data since then also removed the listing's name.
if redis.call('HDEL', KEYS[1], 'round:' .. ARGV[2]) == 0 or whoami() ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return 1
