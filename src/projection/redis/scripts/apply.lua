#!lua flags=allow-oom
-- Moves the view from slot n to n+1, fenced by n and its hash. Large slots are applied in steps: `cursor` in meta names the next
-- one, so each step is done once, whichever node does it; seq and hash move with the last step.
-- Runs even if Redis is full: the slot is in the log, and no later slot, not even a delete, could be applied before it. Slots
-- that need memory are refused earlier, when they are announced.
-- KEYS  1 meta
-- ARGV  1 seq and 2 hash of slot n  3 n+1 and 4 its hash  5 number of the next operation and 6 the position in it, `-` at its
--       start  7 number of all operations  8 whether the repository exists after them (1, 0)
--       9 node whose turn ends with this, or empty  10... operations from that number on, not necessarily all, each of
--       a kind and three words:
--       T tag digest -     sets a tag             t tag - -            removes it
--       B digest link -    links a blob           b digest inc -       unlinks it, if it is linked to inc
--       M digest record at puts a manifest (see records.ts; empty if an earlier step sent it)
--       D digest - at      removes it             C gen - -            removes everything: begins a new, empty generation
-- reply {'done'}; {'more', operation, where}: continue there; {'at', operation, where}: another node got there already;
--       {'ahead'}: the slot is applied; {'behind'}: the view is not at n; {'alien'}: part of another slot was applied

-- include shared

local LIMIT = 1000
local m = redis.call('HMGET', KEYS[1], 'gen', 'seq', 'hash', 'cursor', 'layout')
local gen = m[1]
if not gen or m[5] ~= layout_of(gen, m[2]) then return { 'behind' } end
if tonumber(m[2]) >= tonumber(ARGV[3]) then return { 'ahead' } end
if m[2] ~= ARGV[1] or m[3] ~= ARGV[2] then return { 'behind' } end
-- The cursor begins with the layout: steps of another layout are not continued.
local first = LAYOUT .. ' ' .. ARGV[4] .. ' 1 -'
local layout, slot, op, where = string.match(m[4] or first, '^(%S+) (%S+) (%S+) (%S+)$')
if layout ~= LAYOUT or slot ~= ARGV[4] then return { 'alien' } end
if op ~= ARGV[5] or where ~= ARGV[6] then return { 'at', tonumber(op), where } end

local spent = 0
local function unrefer(ref, digest, at)
  if redis.call('ZREM', key_of(gen, 'refs'), ref .. ' ' .. digest) == 0 then return end
  if redis.call('ZLEXCOUNT', key_of(gen, 'refs'), '[' .. ref .. ' ', '(' .. ref .. '!') > 0 then return end
  -- It was the last manifest that referred to the blob: record since when it is unreferenced.
  local link = redis.call('HGET', key_of(gen, 'blobs'), ref)
  if link then
    local size, inc = string.match(link, '^(%S+) (%S+) ')
    redis.call('HSET', key_of(gen, 'blobs'), ref, size .. ' ' .. inc .. ' ' .. at)
  end
end

-- Calls act with each reference of a record, from a byte on. Returns the byte to continue at, nil at the end.
local function each_ref(record, from, act)
  local line_end = string.find(record, '\n', 1, true)
  from = from or string.find(record, ' ', 1, true)
  while from and from < line_end do
    if spent >= LIMIT then return from end
    local first, last = string.find(record, '[^ \n]+', from)
    if not first or first > line_end then return nil end
    act(string.sub(record, first, last))
    spent = spent + 1
    from = last + 1
  end
  return nil
end

-- The lists of referrers that contain a record: its subject's, and its subject's for the artifact type.
local function lists_of(record)
  local subject = string.match(record, '^(%S+)')
  if subject == '-' then return {} end
  local artifact_type = string.match(record, '^[^\n]*\n{"typeKey":"([%w_-]+)"')
  return { subject, artifact_type and subject .. '/' .. artifact_type }
end

-- Removes everything derived from a manifest, but not its record. Returns the byte to continue at.
local function unlink_record(digest, record, from, at)
  for _, list in ipairs(lists_of(record)) do redis.call('ZREM', key_of(gen, 'referrers'), list .. ' ' .. digest) end
  return each_ref(record, from, function(ref) unrefer(ref, digest, at) end)
end

local act = {}

function act.T(tag, digest)
  local before = redis.call('HGET', key_of(gen, 'tags'), tag)
  if before then redis.call('ZREM', key_of(gen, 'tagged'), before .. ' ' .. tag) end
  redis.call('HSET', key_of(gen, 'tags'), tag, digest)
  redis.call('ZADD', key_of(gen, 'tagz'), 0, tag)
  redis.call('ZADD', key_of(gen, 'tagged'), 0, digest .. ' ' .. tag)
  spent = spent + 4
end

function act.t(tag)
  local before = redis.call('HGET', key_of(gen, 'tags'), tag)
  if before then redis.call('ZREM', key_of(gen, 'tagged'), before .. ' ' .. tag) end
  redis.call('HDEL', key_of(gen, 'tags'), tag)
  redis.call('ZREM', key_of(gen, 'tagz'), tag)
  spent = spent + 3
end

function act.B(digest, link)
  redis.call('HSET', key_of(gen, 'blobs'), digest, link)
  spent = spent + 1
end

function act.b(digest, inc)
  local link = redis.call('HGET', key_of(gen, 'blobs'), digest)
  if link and string.match(link, '^%S+ (%S+)') == inc then redis.call('HDEL', key_of(gen, 'blobs'), digest) end
  spent = spent + 1
end

-- First the old record's references are removed (where: `r<byte>`), then the new record is set, then its references are added
-- (`a<byte>`): a tag never points to a missing record.
function act.M(digest, record, at, phase)
  local from = tonumber(string.sub(phase, 2))
  if string.sub(phase, 1, 1) ~= 'a' then
    local before = redis.call('HGET', key_of(gen, 'manifests'), digest)
    local next = before and unlink_record(digest, before, from, at)
    if next then return 'r' .. next end
    redis.call('HSET', key_of(gen, 'manifests'), digest, record)
    for _, list in ipairs(lists_of(record)) do redis.call('ZADD', key_of(gen, 'referrers'), 0, list .. ' ' .. digest) end
    spent = spent + 2
    from = nil
  end
  record = redis.call('HGET', key_of(gen, 'manifests'), digest)
  local next = each_ref(record, from, function(ref) redis.call('ZADD', key_of(gen, 'refs'), 0, ref .. ' ' .. digest) end)
  if next then return 'a' .. next end
end

function act.D(digest, _, at, phase)
  local before = redis.call('HGET', key_of(gen, 'manifests'), digest)
  if not before then return end
  local next = unlink_record(digest, before, tonumber(string.sub(phase, 2)), at)
  if next then return 'r' .. next end
  redis.call('HDEL', key_of(gen, 'manifests'), digest)
  spent = spent + 1
end

function act.C(fresh_gen)
  local old = {}
  for _, name in ipairs(NAMES) do old[#old + 1] = key_of(gen, name) end
  redis.call('UNLINK', (unpack or table.unpack)(old))
  redis.call('HSET', KEYS[1], 'gen', fresh_gen, 'exists', 0)
  gen = fresh_gen
end

local count = tonumber(ARGV[7])
local number, word = tonumber(op), 10
while number <= count and word <= #ARGV and spent < LIMIT do
  local stopped = act[ARGV[word]](ARGV[word + 1], ARGV[word + 2], ARGV[word + 3], where)
  where = stopped or '-'
  if stopped then break end
  number, word = number + 1, word + 4
end
if number <= count then
  redis.call('HSET', KEYS[1], 'cursor', LAYOUT .. ' ' .. ARGV[4] .. ' ' .. string.format('%.0f', number) .. ' ' .. where)
  return { 'more', number, where }
end
redis.call('HSET', KEYS[1], 'seq', ARGV[3], 'hash', ARGV[4], 'exists', ARGV[8], 'layout', layout_of(gen, ARGV[3]))
redis.call('HDEL', KEYS[1], 'cursor')
-- Only the view of an empty log expires.
if ARGV[1] == '0' then redis.call('PERSIST', KEYS[1]) end
if ARGV[9] ~= '' then
  local turn = string.sub(KEYS[1], 1, -5) .. 'turn'
  if redis.call('GET', turn) == ARGV[9] then redis.call('DEL', turn) end
end
return { 'done' }
