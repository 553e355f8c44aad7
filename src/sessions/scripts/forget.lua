#!lua flags=allow-oom
-- Removes a key that all sessions share and that is malformed: no node stored its value.
-- KEYS  1 epoch or list of sessions
-- ARGV  1 unused
-- reply nothing

redis.call('UNLINK', KEYS[1])
return false
