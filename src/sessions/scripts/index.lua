#!lua flags=allow-oom
-- Enters a session that has bytes in the list of them, or strikes it out.
-- KEYS  1 list of sessions, by the time they were made
-- ARGV  1 session  2 when it was made (ms), or empty: struck out
-- reply nothing

if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
end
return false
