#!lua flags=allow-oom
-- Throws the catalog away, whatever it is: somebody else wrote to it. It is listed anew.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 nothing
-- reply 1

redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return 1
