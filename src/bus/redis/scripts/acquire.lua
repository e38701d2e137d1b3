-- Takes a free or expired lease, or one's own. Each taking raises the epoch, so that what was sent under an earlier one is fenced.
-- KEYS lease, stream, open, ledger   ARGV owner, ttlMs, group, chance (below 1024)
-- → {1, epoch, tenure, lastDeliveredId} or {0, owner, leftMs}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'owner', 'until', 'epoch', 'tenure', 'ttl', 'commits', 'reads')
local owner, expires = lease[1], tonumber(lease[2] or '0') or 0
if owner and owner ~= ARGV[1] and expires > now then
  -- The clock may have been put back since: nobody has a lease for longer than its TTL.
  local latest = now + (tonumber(lease[5]) or ARGV[2])
  if expires > latest then
    expires = latest
    redis.call('HSET', KEYS[1], 'until', string.format('%.0f', expires))
  end
  return { 0, owner, expires - now }
end
local made = begin(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[3], true)
if made.err and string.find(made.err, 'BUSYGROUP', 1, true) == nil then return made end
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
-- The time is in front, so that one that Redis has forgotten is still smaller; behind it chance, where the clock was put back too.
local tenure = string.format('%.0f', math.max(tonumber(lease[4] or '0'), now * 1024) + 1 + ARGV[4])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]), 'ttl', ARGV[2], 'tenure', tenure,
  'commits', 0, 'reads', 0, 'held:' .. KEYS[2], redis.call('XPENDING', KEYS[2], ARGV[3])[1])
redis.call('HDEL', KEYS[1], 'made')
if lease[4] then redis.call('HSET', KEYS[1], 'past', lease[4] .. '|' .. (lease[6] or '0') .. '|' .. (lease[7] or '0')) end
return { 1, epoch, tenure, group_of(KEYS[2], ARGV[3])['last-delivered-id'] }
