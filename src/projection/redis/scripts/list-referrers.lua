#!lua flags=allow-oom
-- A page of the manifests that name a subject, all or those of one artifact type, ordered by digest. It ends early, but not before
-- its first item, if the records are so long that they would block the server.
-- KEYS  1 meta
-- ARGV  1 now (ms)  2 list: the subject, or `<subject>/<key of the artifact type>`
--       3 digest after which, or empty  4 limit  5 maximum characters of records
-- reply {'heal'} or {'ok', seq, more, digest, record, ...}; more 1: further items follow

-- include shared
-- include fresh

local m = fresh(tonumber(ARGV[1]))
if not m then return { 'heal' } end
local limit, room = tonumber(ARGV[4]), tonumber(ARGV[5])
local found = paired(key_of(m[1], 'referrers'), ARGV[2], ARGV[3], limit + 1)
local reply = { 'ok', m[2], #found > limit and 1 or 0 }
for index = 1, math.min(#found, limit) do
  local record = redis.call('HGET', key_of(m[1], 'manifests'), found[index])
  if record then
    if #reply > 3 and room < #record then
      reply[3] = 1
      break
    end
    room = room - #record
    reply[#reply + 1] = found[index]
    reply[#reply + 1] = record
  end
end
return reply
