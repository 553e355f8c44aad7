#!lua flags=allow-oom
-- Looks names up in a repository, all at one slot.
-- KEYS  1 meta
-- ARGV  1 now (ms)  2... pairs of a kind and a name:
--       b blob -> its link        m manifest -> its record     t tag -> digest
--       T tag -> {digest, record} o manifest -> its first tags r digest -> number of manifests that refer to it
--       a `<digest> <tag>` -> more tags of that manifest, after that tag
-- reply {'heal'} if the view must be verified first, else {'ok', seq, hash, exists, partial, answer...};
--       partial 1: the next slot is being applied in steps

-- include shared
-- include fresh

local PAGE = 1000
local m = fresh(tonumber(ARGV[1]))
if not m then return { 'heal' } end
local gen = m[1]
local reply = { 'ok', m[2], m[3], m[4], m[8] and 1 or 0 }
for index = 2, #ARGV, 2 do
  local kind, name = ARGV[index], ARGV[index + 1]
  local answer
  if kind == 'b' then
    answer = redis.call('HGET', key_of(gen, 'blobs'), name)
  elseif kind == 'm' then
    answer = redis.call('HGET', key_of(gen, 'manifests'), name)
  elseif kind == 't' then
    answer = redis.call('HGET', key_of(gen, 'tags'), name)
  elseif kind == 'T' then
    local digest = redis.call('HGET', key_of(gen, 'tags'), name)
    answer = digest and { digest, redis.call('HGET', key_of(gen, 'manifests'), digest) }
  elseif kind == 'r' then
    answer = redis.call('ZLEXCOUNT', key_of(gen, 'refs'), '[' .. name .. ' ', '(' .. name .. '!')
  elseif kind == 'o' then
    answer = paired(key_of(gen, 'tagged'), name, '', PAGE)
  else
    local digest, after = string.match(name, '^(%S+) (%S+)$')
    answer = paired(key_of(gen, 'tagged'), digest, after, PAGE)
  end
  reply[#reply + 1] = answer
end
return reply
