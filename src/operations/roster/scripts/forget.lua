#!lua flags=allow-oom
-- Discards a list that another program wrote to.
-- KEYS  1 when each was heard last  2 what each said of itself
-- reply nothing

redis.call('DEL', KEYS[1], KEYS[2])
return false
