#!lua flags=allow-oom
-- Asks for a turn to write one note for all nodes.
-- KEYS  1 hints  2 a key that lives for as long as the notes so far are paid for
-- ARGV  1 milliseconds that a note costs  2 notes that may follow one another at once  3 the most hints to return
-- reply 'nothing'; or 'later' and the milliseconds until then; or 'now' and pairs of repository and slot

if redis.call('EXISTS', KEYS[1]) == 0 then return { 'nothing' } end
local cost = tonumber(ARGV[1])
local left = redis.call('PTTL', KEYS[2])
if left < 0 then left = 0 end
local after = left - (tonumber(ARGV[2]) - 1) * cost
if after > 0 then return { 'later', tostring(after) } end
redis.call('SET', KEYS[2], '1', 'PX', left + cost)
local found = redis.call('HRANDFIELD', KEYS[1], ARGV[3], 'WITHVALUES')
table.insert(found, 1, 'now')
return found
