-- Fenced read: the check of the lease and the read are one step, so a former owner can take nothing away from the present one.
-- New entries are counted in the ledger here, by the number of events they say they hold: what the outcomes must add up to.
-- An entry of an adopted stream counts as one: nobody but its reader looks into it.
-- KEYS lease, stream, open, ledger
-- ARGV owner, token, group, consumer, log (main, adopted or replay), count, from, suspect, last, suspects, commits, reads
-- → {reads, {id, fields, deliveries, events}, …}, false when fenced, {'behind', commits, reads} when Redis has gone back, or
--   'suspects' when those are next and none may be given out
local fault = fault_of('hxhh')
if fault then return fault end
local state, commits, reads = standing(KEYS[1], ARGV[1], ARGV[2], ARGV[11], ARGV[12])
if state == 'behind' then return { state, commits, reads } end
if state == 'fenced' then return false end
local is_new, suspect, last, suspects = ARGV[7] == '>', tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local count, deliveries = tonumber(ARGV[6]), {}

-- How many suspects may go together: the oftener one was given out, the fewer.
local function together(times)
  if times < suspect then return suspects end
  if times >= last then return 1 end
  return math.max(1, math.floor(suspects / 8 ^ (times - suspect)))
end

-- Entries that were given out too often may be what ended their readers. They are given out by themselves, and the ones behind
-- them are left untouched, so that deaths are not counted against them. Returns how many to give out.
local function pick(pending)
  local few, limit = 0, suspects
  if pending[1][4] + 1 < suspect then
    while few < #pending and few < count and pending[few + 1][4] + 1 < suspect do few = few + 1 end
    return few
  end
  if suspects == 0 then return 0 end
  while few < #pending do
    limit = math.min(limit, together(pending[few + 1][4] + 1))
    if few + 1 > limit then break end
    few = few + 1
  end
  return few
end

local function read()
  if not is_new then
    local pending = redis.pcall('XPENDING', KEYS[2], ARGV[3], '(' .. ARGV[7], '+', math.max(count, suspects))
    if pending.err then return pending end
    if #pending == 0 then return false end
    count = pick(pending)
    if count == 0 then return 'suspects' end
    for i = 1, count do deliveries[pending[i][1]] = pending[i][4] + 1 end
  end
  return redis.pcall('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', count, 'STREAMS', KEYS[2], ARGV[7])
end

local reply = read()
if reply == 'suspects' then return reply end
if reply and reply.err then
  if string.find(reply.err, 'NOGROUP', 1, true) == nil then return reply end
  local flight = tonumber(redis.call('HGET', KEYS[1], 'flight:' .. KEYS[2]) or '0') or 0
  local made = begin(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[3], ARGV[5] ~= 'replay')
  if made.err then return made end
  if flight > 0 then
    -- What was given out will be read again. Whoever has it in hand has moved its states on already: it has to begin anew too.
    dismiss(KEYS[1])
    return false
  end
  reply = read()
end
if not reply or not reply[1] then return { reads } end

local entries, total, open = { reads }, 0, {}
for i, entry in ipairs(reply[1][2]) do
  local id, fields = entry[1], entry[2]
  local events = 1
  if fields and ARGV[5] ~= 'adopted' then
    events = events_in(fields)
  elseif not is_new then
    events = math.max(1, whole(redis.call('HGET', KEYS[3], id)) or 1)
  end
  if is_new and events > 1 then
    open[#open + 1] = id
    open[#open + 1] = events
  end
  total = total + events
  entries[i + 1] = { id, fields, deliveries[id] or 1, events }
end
if is_new then
  local given = #entries - 1
  entries[1] = redis.call('HINCRBY', KEYS[1], 'reads', 1)
  add(KEYS[4], 'read', total)
  add(KEYS[1], 'held:' .. KEYS[2], given)
  add(KEYS[1], 'flight:' .. KEYS[2], total)
  if ARGV[5] ~= 'replay' then add_given(KEYS[1], given, total) end
  for first = 1, #open, 1000 do
    redis.call('HSET', KEYS[3], unpack(open, first, math.min(first + 999, #open)))
  end
end
return entries
