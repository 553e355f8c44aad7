#!lua flags=allow-oom
-- Begins to heal a repository: takes the lease by which one node heals at a time, and returns its meta. If the server loses data
-- afterwards, the mark of this attempt is lost too.
-- KEYS  1 meta  2 lease
-- ARGV  1 token of the holder  2 duration of the lease (ms)  3 number of this attempt  4 lifetime of marks (s)
-- reply {'busy'} if another node heals it, else {'ok', whoami, gen, seq, hash, exists, intent, since, due, cursor,
--       whether all of it has this layout (1, 0)}

-- include shared

local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return { 'busy' } end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local begun = begun_key()
redis.call('HSET', begun, ARGV[1], ARGV[3])
redis.call('EXPIRE', begun, ARGV[4])
local m = redis.call('HMGET', KEYS[1], 'gen', 'seq', 'hash', 'exists', 'intent', 'since', 'due', 'cursor', 'layout')
local is_ours = m[9] == layout_of(m[1] or '', m[2] or '')
return { 'ok', whoami(), m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8], is_ours and 1 or 0 }
