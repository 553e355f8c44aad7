-- Nodes that write to one repository take turns: `turn` names the node whose turn it is, `line` the nodes that wait, in order
-- (DESIGN 5). All of it expires when a node dies, and safety does not depend on it.
local TURN_MS = 1000
local LINE_S = 60

-- Returns 0 if it is this node's turn, else the number of nodes ahead.
local function take_turn(node)
  local base = string.sub(KEYS[1], 1, -5)
  local turn, line, waits = base .. 'turn', base .. 'line', base .. 'waits:'
  local holder = redis.call('GET', turn)
  if holder == node then
    redis.call('SET', turn, node, 'PX', TURN_MS)
    return 0
  end
  local ahead = holder and 1 or 0
  local isInLine = false
  for _, other in ipairs(redis.call('ZRANGE', line, 0, 100)) do
    if other == node then
      isInLine = true
      break
    end
    -- Waiting nodes renew their key; a node whose key expired loses its place.
    if redis.call('EXISTS', waits .. other) == 1 then
      ahead = ahead + 1
    else
      redis.call('ZREM', line, other)
    end
  end
  if ahead == 0 then
    redis.call('SET', turn, node, 'PX', TURN_MS)
    if isInLine then redis.call('ZREM', line, node) end
    return 0
  end
  redis.call('SET', waits .. node, 1, 'PX', TURN_MS)
  if not isInLine then
    local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')
    redis.call('ZADD', line, string.format('%.0f', (tonumber(last[2]) or 0) + 1), node)
    redis.call('EXPIRE', line, LINE_S)
  end
  return ahead
end
