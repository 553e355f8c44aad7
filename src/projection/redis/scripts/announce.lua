#!lua
-- Sets "intent = n+1": a slot is about to be created. From now on the view is verified if the slot is overdue. For slots that need
-- no memory there is a variant with the flag allow-oom, so that a full Redis accepts deletes.
-- KEYS  1 meta
-- ARGV  1 seq and 2 hash of slot n  3 n+1  4 now (ms)  5 when to look for the slot (ms)  6 node
-- reply -1 if the view is not at n: decide again; 0 go on; else the number of nodes ahead: wait, then decide again

-- include shared
-- include turns

local m = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'cursor', 'gen', 'layout')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] then return -1 end
if m[5] ~= layout_of(m[4], m[1]) then return -1 end
local ahead = take_turn(ARGV[6])
if ahead > 0 then return ahead end
redis.call('HSET', KEYS[1], 'intent', ARGV[3], 'since', ARGV[4], 'due', ARGV[5])
return 0
