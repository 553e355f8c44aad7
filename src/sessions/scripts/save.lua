#!lua
-- Extends a claim that still holds the session, and replaces the session's record.
-- KEYS  1 session
-- ARGV  1 token of the claim  2 its new end (ms)  3 lifetime of the key (s)
--       4 record, or empty: only extend
-- reply 'held'; 'deposed': another claim took over; 'unknown': the session is gone

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
