#!lua flags=allow-oom
-- Removes a key that all sessions share, which holds what no node stored.
-- KEYS  1 epoch or list of sessions
-- ARGV  1 nothing
-- reply nothing

redis.call('UNLINK', KEYS[1])
return false
