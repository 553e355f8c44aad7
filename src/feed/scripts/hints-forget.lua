#!lua flags=allow-oom
-- Discards values that no node wrote.
-- KEYS  1 hints  2 what lives until the notes so far are paid for  3 the newest note
-- reply nothing

redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return false
