#!lua flags=allow-oom
-- The commit: states, ledger, dead letters and acks become true together, under the fence, or not at all.
-- KEYS lease, stream, ledger, dlq, state
-- ARGV owner, epoch, group, at, pipeline, partition,
--      #acks, id…, #counts, (counter, number)…, #deadLetters, (entry, keepEntry, #fields, field…)…,
--      #states, (name, json)…
-- → 1 done, 0 fenced
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return 0 end
local at = 7
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end
local acks, acked = tonumber(take()), 0
for first = at, at + acks - 1, 1000 do
  acked = acked + redis.call('XACK', KEYS[2], ARGV[3], unpack(ARGV, first, math.min(first + 999, at + acks - 1)))
end
at = at + acks
-- All acked before: this commit was made, and only its answer was lost. Counting it again would be wrong.
if acks > 0 and acked == 0 then return 1 end
for _ = 1, tonumber(take()) do
  local counter = take()
  redis.call('HINCRBY', KEYS[3], counter, take())
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
  redis.call('XADD', KEYS[4], '*', unpack(fields))
end
for _ = 1, tonumber(take()) do
  local name = take()
  redis.call('HSET', KEYS[5], name, take())
end
return 1
