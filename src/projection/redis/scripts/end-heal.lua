#!lua flags=allow-oom
-- Releases the lease, and removes the mark.
-- KEYS  1 meta  2 lease
-- ARGV  1 token of the holder
-- reply 1 if the lease was held, else 0

-- include shared

redis.call('HDEL', begun_key(), ARGV[1])
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])
