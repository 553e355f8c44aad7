#!lua
-- One step of a new generation, which is not read yet. Steps may arrive in any order and repeatedly. An unfinished generation
-- expires; the list of its steps expires first.
-- KEYS  1 meta  2 lease
-- ARGV  1 gen  2 number of the step  3 its lifetime (s)  4 token of the lease  5 duration of the lease (ms)
--       6... operations: T tag digest - | B digest link - | M digest record - | S list digest - | R ref digest -
-- reply 1

-- include shared

local gen = ARGV[1]
for word = 6, #ARGV, 4 do
  local kind, a, b = ARGV[word], ARGV[word + 1], ARGV[word + 2]
  if kind == 'T' then
    redis.call('HSET', key_of(gen, 'tags'), a, b)
    redis.call('ZADD', key_of(gen, 'tagz'), 0, a)
    redis.call('ZADD', key_of(gen, 'tagged'), 0, b .. ' ' .. a)
  elseif kind == 'B' then
    redis.call('HSET', key_of(gen, 'blobs'), a, b)
  elseif kind == 'M' then
    redis.call('HSET', key_of(gen, 'manifests'), a, b)
  elseif kind == 'S' then
    redis.call('ZADD', key_of(gen, 'referrers'), 0, a .. ' ' .. b)
  else
    redis.call('ZADD', key_of(gen, 'refs'), 0, a .. ' ' .. b)
  end
end
redis.call('HSET', key_of(gen, 'steps'), ARGV[2], 1)
redis.call('EXPIRE', key_of(gen, 'steps'), ARGV[3])
for _, name in ipairs(NAMES) do redis.call('EXPIRE', key_of(gen, name), 2 * tonumber(ARGV[3])) end
if redis.call('GET', KEYS[2]) == ARGV[4] then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
return 1
