#!lua flags=allow-oom
-- Asks for a turn to write one note for all nodes.
-- KEYS  1 hints  2 until when the notes so far are paid for (ms)
-- ARGV  1 milliseconds that a note costs  2 notes that may follow one another at once  3 the most hints to return
-- reply 'nothing'; or 'later' and the milliseconds until then; or 'now' and pairs of repository and slot

if redis.call('EXISTS', KEYS[1]) == 0 then return { 'nothing' } end
local cost = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000.0 + math.floor(tonumber(time[2]) / 1000)
local paid = tonumber(redis.call('GET', KEYS[2]) or '0')
local after = paid - now - (tonumber(ARGV[2]) - 1) * cost
-- The clock of a new master may be behind.
if after > cost then after = cost end
if after > 0 then return { 'later', tostring(after) } end
redis.call('SET', KEYS[2], string.format('%.0f', math.max(paid, now) + cost), 'PX', 60000)
local found = redis.call('HRANDFIELD', KEYS[1], ARGV[3], 'WITHVALUES')
table.insert(found, 1, 'now')
return found
