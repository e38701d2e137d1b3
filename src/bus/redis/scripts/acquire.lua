#!lua flags=allow-oom
-- Takes a free or expired lease, or one's own. Each taking raises the epoch, so that what was sent under an earlier one is fenced.
-- KEYS lease, stream   ARGV owner, ttlMs, group   → {1, epoch, lastDeliveredId} or {0, owner, leftMs}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = redis.call('HMGET', KEYS[1], 'owner', 'until', 'epoch')
local owner, expires, epoch = lease[1], tonumber(lease[2] or '0'), tonumber(lease[3] or '0')
if owner and owner ~= ARGV[1] and expires > now then
  return { 0, owner, expires - now }
end
epoch = epoch + 1
-- The group begins at the first entry, never at '$': what was sent before the pipeline's first start is read too.
redis.pcall('XGROUP', 'CREATE', KEYS[2], ARGV[3], '0', 'MKSTREAM')
local last
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[2])) do
  local name, delivered
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
    if group[i] == 'last-delivered-id' then delivered = group[i + 1] end
  end
  if name == ARGV[3] then last = delivered end
end
if not last then return redis.error_reply('OOM the group ' .. ARGV[3] .. ' could not be created') end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.0f', now + ARGV[2]), 'epoch', epoch)
return { 1, epoch, last }
