#!lua flags=allow-oom
-- Sets the owner: the view was verified against the log and is current. Only if this is the server that was inspected before the
-- log was read, and nothing moved meanwhile.
-- KEYS  1 meta
-- ARGV  1 whoami, 2 seq and 3 hash as inspected  4 the intent's `due` as inspected, or empty  5 when to look for the slot
--       again (ms), or empty: never
-- reply 1, or 0 if something moved: inspect again

-- include shared

local m = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'due', 'cursor', 'gen', 'layout')
if m[6] ~= layout_of(m[5] or '', m[1] or '') then return 0 end
if m[1] ~= ARGV[2] or m[2] ~= ARGV[3] or m[4] or whoami() ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
-- A newer announcement is kept.
if ARGV[4] ~= '' and m[3] == ARGV[4] then
  if ARGV[5] == '' then
    redis.call('HDEL', KEYS[1], 'intent', 'since', 'due')
  else
    redis.call('HSET', KEYS[1], 'due', ARGV[5])
  end
end
return 1
