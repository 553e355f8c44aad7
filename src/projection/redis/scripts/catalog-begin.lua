#!lua
-- Begins a new listing of the catalog: entries from another server, or from before this one lost data, are removed.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 unique name of this listing; the first listing's name becomes the era
-- reply {'ok', whoami}, or {'listed'} if the catalog was listed meanwhile

-- include shared

local me = whoami()
local m = redis.call('HMGET', KEYS[1], 'owner', 'begun', 'era')
if m[1] == me then return { 'listed' } end
-- Entries that writers made since another node began a listing on this server are valid.
local era = m[2] == me and m[3] or ARGV[1]
if m[2] ~= me then redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3]) end
redis.call('HSET', KEYS[1], 'begun', me, 'era', era, 'round:' .. ARGV[1], 1)
return { 'ok', me }
