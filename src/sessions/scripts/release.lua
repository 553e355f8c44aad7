#!lua flags=allow-oom
-- Releases a claim, if it still holds the session. A session without a record exists only as its id.
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
