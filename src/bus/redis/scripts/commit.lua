-- The commit: states, derived frames, ledger, dead letters and acks become true together, under the fence, or not at all.
-- KEYS lease, stream, open, ledger, dlq, state, outbox, (timers or ids)…
-- ARGV owner, epoch, group, at, pipeline, partition, log, floor, number,
--      #acks, id…, #counts, (counter, number)…, #deadLetters, (entry, keepEntry, #fields, field…)…,
--      #states, states packed, #timers, (place in KEYS, member, score)…, #sets, (place in KEYS, ttl, #ids, id…)…,
--      #derived, (to, log, n, c, t0, t1, h, d)…
-- States are packed as packed-states.ts says. An empty json or score removes. A number is the commit's place among those of this owner, where it has one.
-- → 1 done, 0 fenced
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
if ARGV[9] ~= '' then
  -- Made before, and only its answer was lost: it may ack nothing, so its acks do not tell.
  if tonumber(redis.call('HGET', KEYS[1], 'commits') or '0') >= tonumber(ARGV[9]) then return 1 end
  redis.call('HSET', KEYS[1], 'commits', ARGV[9])
end
local first_ack = 11
local at = 10
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end
local acks, acked, settled = tonumber(take()), 0, 0
local has_frames = redis.call('EXISTS', KEYS[3]) == 1
for first = at, at + acks - 1, 1000 do
  local last = math.min(first + 999, at + acks - 1)
  acked = acked + redis.call('XACK', KEYS[2], ARGV[3], unpack(ARGV, first, last))
  if has_frames then
    for _, events in ipairs(redis.call('HMGET', KEYS[3], unpack(ARGV, first, last))) do settled = settled + (tonumber(events) or 1) end
    redis.call('HDEL', KEYS[3], unpack(ARGV, first, last))
  else
    settled = settled + last - first + 1
  end
end
at = at + acks
-- All acked before: this commit was made, and only its answer was lost. Counting it again would be wrong.
if acks > 0 and acked == 0 then return 1 end
redis.call('HINCRBY', KEYS[1], 'flight:' .. KEYS[2], 0 - settled)
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'floor', ARGV[8]) end
for _ = 1, tonumber(take()) do
  local counter = take()
  redis.call('HINCRBY', KEYS[4], counter, take())
end
for _ = 1, tonumber(take()) do
  local entry, keep = take(), take()
  local fields = { 'pipeline', ARGV[5], 'partition', ARGV[6], 'entry', entry, 'at', ARGV[4] }
  for _ = 1, tonumber(take()) do fields[#fields + 1] = take() end
  if keep == '1' then
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
  redis.call('XADD', KEYS[5], '*', unpack(fields))
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
local frames = tonumber(take())
if frames > 0 then
  -- Frames get their numbers here, so that the relay may store each as often as it likes: the log it is for takes it once.
  local time = redis.call('TIME')
  redis.call('HSETNX', KEYS[1], 'out', time[1] * 1000 + math.floor(time[2] / 1000))
  local incarnation = redis.call('HGET', KEYS[1], 'out')
  for _ = 1, frames do
    local to, log = take(), take()
    local number = redis.call('HINCRBY', KEYS[1], 'out:' .. log, 1) - 1
    redis.call('XADD', KEYS[7], '*', 'to', to, 'inc', incarnation, 'fs', number,
      'n', take(), 'c', take(), 't0', take(), 't1', take(), 'h', take(), 'd', take())
  end
end
return 1
