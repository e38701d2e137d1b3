-- Takes a free or expired lease, or one's own. Each taking raises the epoch, so that what was sent under an earlier one is fenced.
-- KEYS lease, stream, open, ledger   ARGV owner, ttlMs, group   → {1, epoch, lastDeliveredId} or {0, owner, leftMs}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'owner', 'until', 'epoch')
local owner, expires, epoch = lease[1], tonumber(lease[2] or '0'), tonumber(lease[3] or '0')
if owner and owner ~= ARGV[1] and expires > now then
  return { 0, owner, expires - now }
end
epoch = epoch + 1
local made = begin(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[3], true)
if made.err and string.find(made.err, 'BUSYGROUP', 1, true) == nil then return made end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]), 'epoch', epoch, 'commits', 0)
return { 1, epoch, group_of(KEYS[2], ARGV[3])['last-delivered-id'] }
