#!lua flags=allow-oom
-- Takes one off the list.
-- KEYS  1 when each was heard last  2 what each said of itself
-- ARGV  1 its id
-- reply nothing

redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return false
