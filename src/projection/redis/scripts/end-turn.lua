#!lua flags=allow-oom
-- Ends a node's turn, so that the next node may write.
-- KEYS  1 meta
-- ARGV  1 node
-- reply 1 if it was this node's turn, else 0

local turn = string.sub(KEYS[1], 1, -5) .. 'turn'
if redis.call('GET', turn) ~= ARGV[1] then return 0 end
return redis.call('DEL', turn)
