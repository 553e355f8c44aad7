#!lua flags=allow-oom
-- Begins to heal a repository: takes the lease by which one node does so at a time, and tells all of its meta. What a server
-- forgets afterwards takes the mark of this attempt with it.
-- KEYS  1 meta  2 lease
-- ARGV  1 token of the holder  2 how long the lease lasts (ms)  3 which of its attempts this is  4 how long marks are kept (s)
-- reply {'busy'} when another node heals it, else {'ok', whoami, gen, seq, hash, exists, intent, since, due, cursor,
--       whether it is of this layout (1, 0)}

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
