-- The repository's meta if the view is fresh, else nil (DESIGN 6, freshness a to c). Needs shared.
-- An intent that is due later than the longest interval was written by a node whose clock is wrong.
local LONGEST_WAIT = 62000
local function fresh(now)
  local m = redis.call('HMGET', KEYS[1], 'gen', 'seq', 'hash', 'exists', 'owner', 'intent', 'due', 'cursor',
    'layout')
  if not m[1] or m[5] ~= whoami() or m[9] ~= layout_of(m[1], m[2]) then return nil end
  if m[6] and tonumber(m[6]) > tonumber(m[2]) then
    local due = tonumber(m[7])
    if now >= due or due > now + LONGEST_WAIT then return nil end
  end
  return m
end
