#!lua
-- Claims a session for one request, if no other claim holds it.
-- KEYS  1 session
-- ARGV  1 owner  2 token of the claim  3 now (ms)  4 until when it holds (ms)  5 lifetime of the key (s)
-- reply {'unknown'}: ended, or another owner's; {'busy'}; {'granted', taken over (1, 0), record, empty if there is none}

local s = redis.call('HMGET', KEYS[1], 'ended', 'owner', 'token', 'until', 'contested', 'record')
if s[1] or (s[2] and s[2] ~= ARGV[1]) then return { 'unknown' } end
if s[3] and tonumber(s[4]) > tonumber(ARGV[3]) then return { 'busy' } end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', ARGV[2], 'until', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
if not (s[3] or s[5]) then return { 'granted', 0, s[6] or '' } end
-- Until this holder has saved a new place for the bytes, the next one takes over too.
redis.call('HSET', KEYS[1], 'contested', '1')
return { 'granted', 1, s[6] or '' }
