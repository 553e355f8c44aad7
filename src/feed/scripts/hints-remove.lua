#!lua flags=allow-oom
-- Removes hints that are noted, unless they have grown since, and remembers the newest note.
-- KEYS  1 hints  2 the newest note
-- ARGV  1 the newest note, then pairs of repository and noted slot
-- reply nothing

for index = 2, #ARGV, 2 do
  local hint = redis.call('HGET', KEYS[1], ARGV[index])
  if hint and tonumber(hint) <= tonumber(ARGV[index + 1]) then redis.call('HDEL', KEYS[1], ARGV[index]) end
end
if tonumber(redis.call('GET', KEYS[2]) or '0') < tonumber(ARGV[1]) then redis.call('SET', KEYS[2], ARGV[1]) end
return false
