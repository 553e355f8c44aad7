#!lua flags=allow-oom
-- Takes or renews the lease of the one process that copies from the source.
-- KEYS  1 lease
-- ARGV  1 process  2 how long it holds (ms)
-- reply 1 if the process has it now, else 0

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
