#!lua flags=allow-oom
-- A random word that is lost only with all data of this Redis: ids minted under another word have lost their sessions.
-- KEYS  1 epoch
-- ARGV  1 a fresh word, for a Redis without one
-- reply the word

local word = redis.call('GET', KEYS[1])
if word then return word end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
