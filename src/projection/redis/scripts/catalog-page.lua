#!lua flags=allow-oom
-- A page of the catalog, with the change of each name.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 `-`, or `(` and the name after which  2 limit
-- reply {'heal'} if the names must be listed again, else {'ok', era, name, change, ...}: what is learned from now on is valid in
--       that era. A change is the slot at which the repository was known to exist, `?<slot>` or empty if that is not known

-- include shared

local m = redis.call('HMGET', KEYS[1], 'owner', 'era')
if m[1] ~= whoami() then return { 'heal' } end
local reply = { 'ok', m[2] or '' }
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do
  reply[#reply + 1] = name
  reply[#reply + 1] = redis.call('HGET', KEYS[3], name) or ''
end
return reply
