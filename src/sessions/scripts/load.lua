#!lua flags=allow-oom
-- Reads a session, whether or not it is claimed.
-- KEYS  1 session
-- ARGV  1 owner, or empty: any
-- reply {'unknown'}: ended, or another owner's; {'known', record, until when it is claimed (ms)}, each empty if there is none

local s = redis.call('HMGET', KEYS[1], 'ended', 'owner', 'record', 'until')
if s[1] or (s[2] and ARGV[1] ~= '' and s[2] ~= ARGV[1]) then return { 'unknown' } end
return { 'known', s[3] or '', s[4] or '' }
