-- Removes the oldest entries that every group has read and acked, as far as they exceed the retention: by MINID, never by MAXLEN,
-- which asks no group. A call does bounded work: whole nodes of the stream first, and the rest of a node when no more can go whole.
-- KEYS stream   ARGV maxAgeMs or '', maxEntries or '', maxBytes or '', group that is to read…
-- → {removed, more, group that holds the oldest or false, its entry, ageMs, pending, lag or false, missing}
local nodeLimit, pageLimit, pageBytes = 1000, 1000, 4e6

-- Ids are compared as texts of digits: their numbers can exceed what a double holds.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local function before(a, b)
  local aMs, aSeq = string.match(a, '^(%d+)-(%d+)$')
  local bMs, bSeq = string.match(b, '^(%d+)-(%d+)$')
  if aMs ~= bMs then return less(aMs, bMs) end
  return less(aSeq, bSeq)
end
-- The id behind this one; where it is too large to count on, the id itself, which keeps one entry more.
local function following(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  if #seq > 15 then return id end
  return ms .. '-' .. string.format('%.0f', seq + 1)
end

local infos = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if infos.err then
  if string.find(infos.err, 'no such key', 1, true) then return { 0, 0, false } end
  return infos
end
-- Without a group nobody has read anything.
if #infos == 0 then return { 0, 0, false } end

-- The first entry that some group has not finished with, and that group.
local unfinished, holder
local function hold(group, first)
  if not unfinished or before(first, unfinished) then unfinished, holder = first, group end
end
local known = {}
for _, info in ipairs(infos) do
  local group = named(info)
  group.missing = 0
  known[group.name] = true
  hold(group, following(group['last-delivered-id']))
  -- Not instead of it: a group that was set back has unread entries before its pending ones.
  if group.pending > 0 then hold(group, redis.call('XPENDING', KEYS[1], group.name)[2]) end
end
for i = 4, #ARGV do
  if not known[ARGV[i]] then hold({ name = ARGV[i], pending = 0, lag = false, missing = 1 }, '0-0') end
end

-- The first entry that the retention keeps.
local kept, more = nil, 0
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' and now > tonumber(ARGV[1]) then kept = string.format('%.0f-0', now - ARGV[1]) end
local length, surplus, memory = redis.call('XLEN', KEYS[1]), 0, nil
if ARGV[2] ~= '' then surplus = length - ARGV[2] end
if ARGV[3] ~= '' then
  memory = redis.call('MEMORY', 'USAGE', KEYS[1])
  surplus = math.max(surplus, math.ceil(length * (1 - ARGV[3] / memory)))
end
surplus = math.min(surplus, length - 1)
if surplus > 0 then
  memory = memory or redis.call('MEMORY', 'USAGE', KEYS[1])
  -- Redis tells ids only together with the entries, and those may be large.
  local page = math.max(1, math.min(surplus, pageLimit, math.floor(pageBytes * length / memory)))
  local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', page + 1)
  local first = entries[#entries][1]
  if page < surplus then more = 1 end
  if not kept or before(kept, first) then kept = first end
end
if not kept then return { 0, 0, false } end

local isHeld = before(unfinished, kept)
local minimum = isHeld and unfinished or kept
local removed = redis.call('XTRIM', KEYS[1], 'MINID', '~', minimum, 'LIMIT', nodeLimit)
if removed > 0 then return { removed, 1, false } end
removed = redis.call('XTRIM', KEYS[1], 'MINID', '=', minimum)
if removed > 0 and more == 1 then return { removed, 1, false } end
if not isHeld then return { removed, 0, false } end
local oldest = redis.call('XRANGE', KEYS[1], '-', '(' .. kept, 'COUNT', 1)[1]
if not oldest then return { removed, 0, false } end
local age = now - string.match(oldest[1], '^%d+')
return { removed, 0, holder.name, oldest[1], age, holder.pending, holder.lag, holder.missing }
