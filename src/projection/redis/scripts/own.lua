#!lua flags=allow-oom
-- The view was compared with the log and is its newest state: this server may be believed from now on. Only if it is the
-- server that was asked before the log was read, and nothing moved meanwhile.
-- KEYS  1 meta
-- ARGV  1 whoami, 2 seq and 3 hash as they were seen  4 the intent's `due` as it was seen, or empty  5 when to look for it
--       again (ms), or empty: never
-- reply 1, or 0 when something moved: look again

-- include shared

local m = redis.call('HMGET', KEYS[1], 'seq', 'hash', 'due', 'cursor', 'gen', 'layout')
if m[6] ~= layout_of(m[5] or '', m[1] or '') then return 0 end
if m[1] ~= ARGV[2] or m[2] ~= ARGV[3] or m[4] or whoami() ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
-- A newer announcement stays as it is.
if ARGV[4] ~= '' and m[3] == ARGV[4] then
  if ARGV[5] == '' then
    redis.call('HDEL', KEYS[1], 'intent', 'since', 'due')
  else
    redis.call('HSET', KEYS[1], 'due', ARGV[5])
  end
end
return 1
