#!lua flags=allow-oom
-- A page of the catalog, with what is known of each name.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 `-`, or `(` and the name after which  2 how many at most
-- reply {'heal'} when the names must be listed anew, else {'ok', era, name, change, ...}: what is learned from now on counts
--       as long as the era lasts; a change is the slot at which the repository was known to exist, empty when nobody looked yet

-- include shared

local m = redis.call('HMGET', KEYS[1], 'owner', 'era')
if m[1] ~= whoami() then return { 'heal' } end
local reply = { 'ok', m[2] or '' }
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do
  reply[#reply + 1] = name
  reply[#reply + 1] = redis.call('HGET', KEYS[3], name) or ''
end
return reply
