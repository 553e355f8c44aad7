#!lua
-- All markers were listed: the catalog may be believed, if this is still the server on which that began.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 whoami when it began  2 name of the round
-- reply 1, or 0: list again

-- include shared

-- What was lost since took the round's name with it.
if redis.call('HDEL', KEYS[1], 'round:' .. ARGV[2]) == 0 or whoami() ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return 1
