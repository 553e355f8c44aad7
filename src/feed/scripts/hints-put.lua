#!lua
-- Adds hints about logs that have grown. Of two for one repository the later slot stays.
-- KEYS  1 hints
-- ARGV  pairs of repository and slot
-- reply nothing

local HOUR_S = 3600
for index = 1, #ARGV, 2 do
  local known = redis.call('HGET', KEYS[1], ARGV[index])
  if not known or tonumber(known) < tonumber(ARGV[index + 1]) then
    redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
  end
end
redis.call('EXPIRE', KEYS[1], HOUR_S)
return false
