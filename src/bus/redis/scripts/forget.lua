-- Forgets producers that have stored nothing for a time, a page of them: what they were is inc|fs|time of the last entry.
-- Outboxes keep counting for ever, and are as few as their pipelines: they stay.
-- KEYS producers   ARGV silentMs, cursor, what the names of outboxes begin with   → {next cursor, forgotten}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local scanned = redis.call('HSCAN', KEYS[1], ARGV[2], 'COUNT', 200)
local forgotten = 0
for i = 1, #scanned[2], 2 do
  local at = string.match(scanned[2][i + 1], '^%d+|%d+|(%d+)$')
  local is_outbox = string.sub(scanned[2][i], 1, #ARGV[3]) == ARGV[3]
  if at and now - at > tonumber(ARGV[1]) and not is_outbox then
    redis.call('HDEL', KEYS[1], scanned[2][i])
    forgotten = forgotten + 1
  end
end
return { scanned[1], forgotten }
