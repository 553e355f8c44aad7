#!lua flags=allow-oom
-- Ends a session whose key is malformed: no node stored its value.
-- KEYS  1 session
-- ARGV  1 lifetime of the record that it ended (s)
-- reply nothing

redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return false
