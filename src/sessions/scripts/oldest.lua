#!lua flags=allow-oom
-- The oldest sessions that have bytes.
-- KEYS  1 index of sessions, by creation time
-- ARGV  1 time (ms) before which they were created  2 limit  3 how many to skip
-- reply their ids, oldest first

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', ARGV[3], ARGV[2])
