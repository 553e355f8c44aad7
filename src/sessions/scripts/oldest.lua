#!lua flags=allow-oom
-- The oldest sessions that have bytes.
-- KEYS  1 list of sessions, by the time they were made
-- ARGV  1 time (ms) before which they were made  2 how many at most  3 how many of them to leave out
-- reply their ids, oldest first

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', ARGV[3], ARGV[2])
