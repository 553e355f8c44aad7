#!lua flags=allow-oom
-- Reads the list.
-- KEYS  1 when each was heard last, by the clock of this server  2 what each said of itself
-- ARGV  1 the most to return  2 the most bytes that one may have said of itself
-- reply for each, the one heard last first: its id, how long it has been silent (ms), what it said of itself; '' for what is too long

local now = math.floor(tonumber(string.match(redis.call('INFO', 'server'), 'server_time_usec:(%d+)')) / 1000)
local found = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1, 'REV', 'WITHSCORES')
local reply = {}
for index = 1, #found, 2 do
  local id = found[index]
  local isShort = redis.call('HSTRLEN', KEYS[2], id) <= tonumber(ARGV[2])
  reply[#reply + 1] = id
  reply[#reply + 1] = tostring(math.max(0, now - tonumber(found[index + 1])))
  reply[#reply + 1] = isShort and redis.call('HGET', KEYS[2], id) or ''
end
return reply
