#!lua flags=allow-oom
-- Discards the catalog, whatever its keys contain, because another program wrote to them. It will be listed again.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 unused
-- reply 1

redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
return 1
