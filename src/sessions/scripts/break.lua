#!lua flags=allow-oom
-- Ends a session whose key holds what no node stored, whatever that is.
-- KEYS  1 session
-- ARGV  1 seconds for which the end is remembered
-- reply nothing

redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return false
