-- The commit: states, derived frames, ledger, dead letters and acks become true together, under the fence, or not at all.
-- KEYS lease, stream, open, ledger, dlq, state, outbox, (timers or ids)…, page of names and the page that goes
-- ARGV owner, token, group, at, pipeline, partition, log, floor, number, content, reads, types of KEYS,
--      #acks, id…, #counts, (counter, number)…, #deadLetters, bytes that dead letters may take, (entry, keepEntry, #fields, field…)…,
--      #states, states packed, #timers, (place in KEYS, member, score)…, #sets, (place in KEYS, ttl, #ids, id…)…,
--      #derived, (to, log, n, c, t0, t1, h, d)…, names or '', (number of their page, ttl)
-- States are packed as packed-states.ts says. An empty json or score removes.
--
-- A commit is a link of a chain: its number is one more than that of the last. Where its answer was lost it comes again under the same
-- number, with the same content. Any other number, and entries that are not pending, say that Redis and the owner do not know the same.
-- → 1 done, 0 fenced, {'behind', commits, reads} when Redis has gone back; then the lease is free
local fault = fault_of(ARGV[12])
if fault then return fault end
local state, commits, reads = standing(KEYS[1], ARGV[1], ARGV[2], ARGV[9] - 1, ARGV[11])
if state == 'fenced' then return 0 end
if state == 'held' and commits > ARGV[9] - 1 then
  if commits == tonumber(ARGV[9]) and redis.call('HGET', KEYS[1], 'made') == ARGV[10] then return 1 end
  dismiss(KEYS[1])
  state = 'behind'
end
if state == 'behind' then return { state, commits, reads } end
local first_ack = 14
local at = 13
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end
local acks, settled = tonumber(take()), 0

-- Looking at each of many would cost as much as the rest of the commit: where as many are pending as these scripts know of, nobody else
-- has acked any.
local function all_are_pending()
  local pending = redis.pcall('XPENDING', KEYS[2], ARGV[3])
  if pending.err then return false end
  local held = redis.call('HGET', KEYS[1], 'held:' .. KEYS[2])
  if acks > 16 and held == tostring(pending[1]) then return true end
  for i = first_ack, first_ack + acks - 1 do
    if #redis.call('XPENDING', KEYS[2], ARGV[3], ARGV[i], ARGV[i], 1) == 0 then return false end
  end
  if held ~= tostring(pending[1]) then redis.call('HSET', KEYS[1], 'held:' .. KEYS[2], pending[1]) end
  return true
end
if acks > 0 and not all_are_pending() then
  dismiss(KEYS[1])
  return { 'behind', commits, reads }
end
local has_frames = redis.call('EXISTS', KEYS[3]) == 1
for first = at, at + acks - 1, 1000 do
  local last = math.min(first + 999, at + acks - 1)
  redis.call('XACK', KEYS[2], ARGV[3], unpack(ARGV, first, last))
  if has_frames then
    for _, events in ipairs(redis.call('HMGET', KEYS[3], unpack(ARGV, first, last))) do settled = settled + math.max(1, whole(events) or 1) end
    redis.call('HDEL', KEYS[3], unpack(ARGV, first, last))
  else
    settled = settled + last - first + 1
  end
end
at = at + acks
if acks > 0 then
  add(KEYS[1], 'flight:' .. KEYS[2], 0 - settled)
  add(KEYS[1], 'held:' .. KEYS[2], 0 - acks)
end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'floor', ARGV[8]) end
for _ = 1, tonumber(take()) do
  local counter = take()
  add(KEYS[4], counter, take())
end
local letters, room = tonumber(take()), tonumber(take())
if letters > 0 then
  -- A user may lack the right to ask.
  local used = redis.pcall('MEMORY', 'USAGE', KEYS[5])
  if type(used) == 'number' then room = room - used end
end
for _ = 1, letters do
  local entry, keep = take(), take()
  local fields = { 'pipeline', ARGV[5], 'partition', ARGV[6], 'entry', entry, 'at', ARGV[4] }
  for _ = 1, tonumber(take()) do fields[#fields + 1] = take() end
  if keep == '1' and room > 0 then
    local found = redis.call('XRANGE', KEYS[2], entry, entry)
    if found[1] then
      for i = 1, #found[1][2], 2 do
        fields[#fields + 1] = 'f:' .. found[1][2][i]
        fields[#fields + 1] = found[1][2][i + 1]
      end
    end
  end
  if #fields > 6000 then
    -- More fields than one call can carry: keep the first ones, and say that some are missing.
    local cut = { unpack(fields, 1, 5998) }
    cut[5999] = 'cut'
    cut[6000] = tostring(#fields)
    fields = cut
  end
  local bytes = 0
  for _, field in ipairs(fields) do bytes = bytes + #field end
  if bytes > room then
    -- It stays counted under its reason; and that it was not kept, here.
    add(KEYS[4], 'notKept', 1)
  else
    room = room - bytes
    redis.call('XADD', KEYS[5], '*', unpack(fields))
  end
end
-- A replay log is there for this group alone: what is settled leaves it.
for first = first_ack, first_ack + acks - 1, 1000 do
  if ARGV[7] == 'replay' then redis.call('XDEL', KEYS[2], unpack(ARGV, first, math.min(first + 999, first_ack + acks - 1))) end
end
local states, packed, next_state = tonumber(take()), take(), 1
for _ = 1, states do
  local name, json
  name, json, next_state = struct.unpack('>I4c0I4c0', packed, next_state)
  if json == '' then redis.call('HDEL', KEYS[6], name) else redis.call('HSET', KEYS[6], name, json) end
end
for _ = 1, tonumber(take()) do
  local timers, member, score = KEYS[tonumber(take())], take(), take()
  if score == '' then redis.call('ZREM', timers, member) else redis.call('ZADD', timers, score, member) end
end
for _ = 1, tonumber(take()) do
  local ids, ttl, count = KEYS[tonumber(take())], take(), tonumber(take())
  for first = at, at + count - 1, 1000 do
    redis.call('SADD', ids, unpack(ARGV, first, math.min(first + 999, at + count - 1)))
  end
  at = at + count
  redis.call('PEXPIRE', ids, ttl)
end
-- Frames are numbered here, each for the log that it is for, and name the one before: the log takes each once, however often the relay
-- stores it, and notices where one is missing. The tenure is their incarnation, since numbers may come again where Redis goes back.
local tenure = string.match(ARGV[2], '%d+$')
for _ = 1, tonumber(take()) do
  local to, log, events = take(), take(), take()
  local before = redis.call('HGET', KEYS[1], 'out:' .. log)
  local incarnation, number, sum = string.match(before or '', '^(%d+)|(%d+)|(%d+)$')
  if before and not incarnation and string.match(before, '^%d+$') then
    -- As earlier versions wrote it: how many frames there were, all of one incarnation.
    incarnation, number, sum = redis.call('HGET', KEYS[1], 'out') or '', string.format('%.0f', before - 1), '0'
  end
  local place = string.format('%.0f', number and number + 1 or 0)
  if before and not (incarnation and whole(incarnation) and whole(number) and whole(sum)) then
    -- Somebody has made it unreadable: the frame names none before it, and has a number that none of this tenure had. The relay looks
    -- at what the log holds.
    local time = redis.call('TIME')
    incarnation, sum, place = nil, nil, string.format('%.0f', time[1] * 1000000 + time[2])
  end
  redis.call('XADD', KEYS[7], '*', 'to', to, 'inc', tenure, 'fs', place, 'n', events, 'c', take(), 't0', take(), 't1', take(),
    'h', take(), 'd', take(), 'after', incarnation and incarnation .. '|' .. number or '', 'sum', sum or '0')
  redis.call('HSET', KEYS[1], 'out:' .. log, tenure .. '|' .. place .. '|' .. string.format('%.0f', (sum or 0) + events))
end
local names = take()
if names ~= '' then
  local page, number = KEYS[#KEYS - 1], take()
  redis.call('APPEND', page, names)
  redis.call('PEXPIRE', page, take())
  redis.call('UNLINK', KEYS[#KEYS])
  -- Reads may settle in another order than they were made.
  local newest = redis.call('HGET', KEYS[1], 'names')
  if (newest and whole(newest) or -1) < tonumber(number) then redis.call('HSET', KEYS[1], 'names', number) end
end
-- At last: one that fails in the middle, at a key of another type, is not taken for done when it comes again.
redis.call('HSET', KEYS[1], 'commits', ARGV[9], 'made', ARGV[10])
return 1
