#!lua flags=allow-oom
-- What a node that has waiting readers asks again and again.
-- KEYS  1 hints  2 the newest note
-- reply the newest note as far as this Redis knows, or 0; and 1 if hints wait, else 0

return { redis.call('GET', KEYS[2]) or '0', redis.call('EXISTS', KEYS[1]) }
