#!lua flags=allow-oom
-- Lists one, and drops those that were silent for too long, and of too many those that were silent the longest.
-- KEYS  1 when each was heard last, by the clock of this server  2 what each said of itself
-- ARGV  1 its id  2 what it says of itself  3 how long it stays on the list (ms)  4 the most that are on the list
-- reply nothing

local LIMIT = 100
local function drop(ids)
  if #ids == 0 then return end
  redis.call('ZREM', KEYS[1], unpack(ids))
  redis.call('HDEL', KEYS[2], unpack(ids))
end

-- The documented user may not ask for the time by TIME.
local now = math.floor(tonumber(string.match(redis.call('INFO', 'server'), 'server_time_usec:(%d+)')) / 1000)
local stays = tonumber(ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
drop(redis.call('ZRANGE', KEYS[1], '-inf', '(' .. now - stays, 'BYSCORE', 'LIMIT', 0, LIMIT))
local excess = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if excess > 0 then drop(redis.call('ZRANGE', KEYS[1], 0, math.min(excess, LIMIT) - 1)) end
redis.call('PEXPIRE', KEYS[1], stays)
redis.call('PEXPIRE', KEYS[2], stays)
return false
