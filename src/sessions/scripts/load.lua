#!lua flags=allow-oom
-- What a session says, whoever holds it.
-- KEYS  1 session
-- ARGV  1 owner, empty for anybody's
-- reply {'unknown'}: ended, or another owner's; {'known', record, until when it is held (ms)}, both empty when there is none

local s = redis.call('HMGET', KEYS[1], 'ended', 'owner', 'record', 'until')
if s[1] or (s[2] and ARGV[1] ~= '' and s[2] ~= ARGV[1]) then return { 'unknown' } end
return { 'known', s[3] or '', s[4] or '' }
