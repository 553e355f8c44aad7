#!lua
-- Lengthens a claim that still is the session's, and replaces the session under it.
-- KEYS  1 session
-- ARGV  1 token of the claim  2 until when it holds from now on (ms)  3 seconds for which the key is kept
--       4 record, or empty: only lengthened
-- reply 'held'; 'deposed': another claim took over; 'unknown': there is no such session any more

local s = redis.call('HMGET', KEYS[1], 'token', 'ended', 'owner')
if s[1] ~= ARGV[1] then
  if s[2] or not s[3] then return 'unknown' end
  return 'deposed'
end
redis.call('HSET', KEYS[1], 'until', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'record', ARGV[4])
  redis.call('HDEL', KEYS[1], 'contested')
end
return 'held'
