-- The identity of this server: a restart changes the first half, a failover the second.
local function whoami()
  local info = redis.call('INFO', 'server', 'replication')
  return string.match(info, 'run_id:(%w+)') .. ':' .. string.match(info, 'master_replid:(%w+)')
end

-- The layout of a view. `layout` in meta names the layout, the generation and the slot for which all of the view has it. A view of
-- another layout, or one that a script of another layout moved on, is rebuilt. Each change of what the scripts write gets a
-- new number.
local LAYOUT = '2'
local function layout_of(gen, seq)
  return LAYOUT .. ' ' .. gen .. ' ' .. seq
end

-- A key of the generation, with the hash tag of the repository's meta: `{<store>:<repo>}:<gen>:<name>`.
local function key_of(gen, name)
  return string.sub(KEYS[1], 1, -5) .. gen .. ':' .. name
end

-- The marks of healing attempts in progress.
local function begun_key()
  return string.sub(KEYS[1], 1, -5) .. 'begun'
end

local NAMES = { 'tags', 'tagz', 'tagged', 'manifests', 'blobs', 'referrers', 'refs' }

-- A page of the names in a zset whose members are `<prefix> <name>`, those after `after` only.
local function paired(key, prefix, after, limit)
  local from = after == '' and '[' .. prefix .. ' ' or '(' .. prefix .. ' ' .. after
  local found = redis.call('ZRANGEBYLEX', key, from, '(' .. prefix .. '!', 'LIMIT', 0, limit)
  for index, member in ipairs(found) do found[index] = string.sub(member, #prefix + 2) end
  return found
end
