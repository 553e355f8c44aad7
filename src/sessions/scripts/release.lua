#!lua flags=allow-oom
-- Gives a claim back, if it still is the session's. A session without a record is nothing but its id.
-- KEYS  1 session
-- ARGV  1 token of the claim
-- reply nothing

local s = redis.call('HMGET', KEYS[1], 'token', 'record')
if s[1] ~= ARGV[1] then return false end
if s[2] then
  redis.call('HDEL', KEYS[1], 'token', 'until')
else
  redis.call('UNLINK', KEYS[1])
end
return false
