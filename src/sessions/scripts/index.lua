#!lua flags=allow-oom
-- Adds a session that has bytes to the index, or removes it.
-- KEYS  1 index of sessions, by creation time
-- ARGV  1 session  2 its creation time (ms), or empty: removed
-- reply nothing

if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
end
return false
