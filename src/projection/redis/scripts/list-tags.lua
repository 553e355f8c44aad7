#!lua flags=allow-oom
-- A page of tags in ASCII order.
-- KEYS  1 meta
-- ARGV  1 now (ms)  2 `-`, or `(` and the tag after which  3 limit
-- reply {'heal'} or {'ok', seq, exists, {tag...}}

-- include shared
-- include fresh

local m = fresh(tonumber(ARGV[1]))
if not m then return { 'heal' } end
return { 'ok', m[2], m[4], redis.call('ZRANGEBYLEX', key_of(m[1], 'tagz'), ARGV[2], '+', 'LIMIT', 0, ARGV[3]) }
