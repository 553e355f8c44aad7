#!lua
-- Begins to list the catalog anew: what another server, or this one before it lost something, knew of it is forgotten.
-- KEYS  1 meta of the catalog  2 names  3 changes
-- ARGV  1 name of this round, which nobody else has; the first round's is that of the era
-- reply {'ok', whoami}, or {'listed'} when the catalog was listed meanwhile

-- include shared

local me = whoami()
local m = redis.call('HMGET', KEYS[1], 'owner', 'begun', 'era')
if m[1] == me then return { 'listed' } end
-- What writers said since another node began on this very server is true already.
local era = m[2] == me and m[3] or ARGV[1]
if m[2] ~= me then redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3]) end
redis.call('HSET', KEYS[1], 'begun', me, 'era', era, 'round:' .. ARGV[1], 1)
return { 'ok', me }
