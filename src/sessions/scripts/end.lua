#!lua flags=allow-oom
-- Ends a session, if the claim still holds it. The end is recorded, since the id alone would be valid.
-- KEYS  1 session
-- ARGV  1 token of the claim  2 lifetime of the record that it ended (s), 3 the same for a session that has no record
-- reply as of save

local s = redis.call('HMGET', KEYS[1], 'token', 'ended', 'owner', 'record')
if s[1] ~= ARGV[1] then
  if s[2] or not s[3] then return 'unknown' end
  return 'deposed'
end
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', '1')
redis.call('EXPIRE', KEYS[1], s[4] and ARGV[2] or ARGV[3])
return 'held'
