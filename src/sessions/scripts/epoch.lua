#!lua flags=allow-oom
-- A word that this Redis keeps for as long as it keeps anything: ids that were made under another one lost their sessions.
-- KEYS  1 epoch
-- ARGV  1 a fresh word, for a Redis that has none
-- reply the word

local word = redis.call('GET', KEYS[1])
if word then return word end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
