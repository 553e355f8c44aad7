#!lua flags=allow-oom
-- Gives the lease up, if the process has it.
-- KEYS  1 lease
-- ARGV  1 process
-- reply nothing

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false
