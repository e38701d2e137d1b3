-- Takes a free or expired lease, or one's own. Each taking raises the epoch, so that what was sent under an earlier one is fenced.
-- What somebody has made unreadable is made anew, so that nothing earlier is taken for this taking, and its fields are told.
-- KEYS lease, stream, open, ledger   ARGV owner, ttlMs, group, chance (below 1024)
-- → {1, epoch, tenure, lastDeliveredId, unreadable field…} or {0, owner, leftMs}
-- Of the year 2217: later ones are of nobody.
local latest_tenure = 8e15
-- Many times as long as any that a worker asks for.
local longest_ms = 3600000
local fault = fault_of('hxhh')
if fault then return fault end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local numbers = { 'until', 'epoch', 'tenure', 'commits', 'reads', 'seen', 'events', 'names' }
local texts, lease, unreadable = redis.call('HMGET', KEYS[1], unpack(numbers)), {}, {}
for i, field in ipairs(numbers) do
  lease[field] = whole(texts[i])
  -- Those that come after it could not be told apart.
  if field == 'tenure' and (lease.tenure or 0) >= latest_tenure then lease.tenure = nil end
  if not lease[field] then unreadable[#unreadable + 1] = field end
end
local owner, ttl, floor, flight = unpack(redis.call('HMGET', KEYS[1], 'owner', 'ttl', 'floor', 'flight:' .. KEYS[2]))
local expires = lease['until'] or 0
if owner and owner ~= ARGV[1] and expires > now then
  -- The clock may have been put back since: nobody has a lease for longer than its TTL.
  local latest = now + math.min(ttl and whole(ttl) or ARGV[2], longest_ms)
  if expires > latest then
    expires = latest
    redis.call('HSET', KEYS[1], 'until', string.format('%.0f', expires))
  end
  return { 0, owner, expires - now }
end
if floor and not is_id(floor) then unreadable[#unreadable + 1] = 'floor' end
local made = begin(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[3], true)
if made.err and string.find(made.err, 'BUSYGROUP', 1, true) == nil then return made end

local last = group_of(KEYS[2], ARGV[3])['last-delivered-id']
if not lease.seen then
  local behind = group_of(KEYS[2], ARGV[3])['lag'] or entries_after(KEYS[2], last)
  redis.call('HSET', KEYS[1], 'seen', named(redis.call('XINFO', 'STREAM', KEYS[2]))['entries-added'] - behind)
end
if not lease.events then redis.call('HDEL', KEYS[1], 'events') end
if not lease.names then redis.call('HDEL', KEYS[1], 'names') end
if flight and not string.match(flight, '^%-?%d+$') then
  unreadable[#unreadable + 1] = 'flight'
  redis.call('HSET', KEYS[1], 'flight:' .. KEYS[2], pending_events(KEYS[2], ARGV[3], KEYS[3]))
end
local latest = lease.tenure
if not latest then
  -- The one before, and the incarnations of what was derived, are tenures too.
  latest = 0
  local all = redis.call('HGETALL', KEYS[1])
  for i = 2, #all, 2 do
    local tenure = whole(string.match(all[i], '^(%d+)|%d+|%d+$')) or 0
    if tenure < latest_tenure then latest = math.max(latest, tenure) end
  end
end

-- It was never taken as often as there are milliseconds.
local epoch = (lease.epoch or now) + 1
-- The time is in front, so that one that Redis has forgotten is still smaller; behind it chance, where the clock was put back too.
local tenure = string.format('%.0f', math.max(latest, now * 1024) + 1 + ARGV[4])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]), 'ttl', ARGV[2],
  'epoch', string.format('%.0f', epoch), 'tenure', tenure, 'commits', 0, 'reads', 0,
  'held:' .. KEYS[2], redis.call('XPENDING', KEYS[2], ARGV[3])[1])
redis.call('HDEL', KEYS[1], 'made')
if texts[3] and lease.tenure and lease.commits and lease.reads then
  redis.call('HSET', KEYS[1], 'past', texts[3] .. '|' .. string.format('%.0f|%.0f', lease.commits, lease.reads))
end
return { 1, epoch, tenure, last, unpack(unreadable) }
