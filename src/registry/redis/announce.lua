-- Enters a process or prolongs its entry, by the server's clock, and clears away those that have run out.
-- Whoever listens is told where something but the load has changed.
-- KEYS until, facts, load, ttls   ARGV instance, facts, load, ttlMs, channel
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local changed = false
for _, gone in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', string.format('%.0f', now), 'BYSCORE')) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('HDEL', KEYS[2], gone)
  redis.call('HDEL', KEYS[3], gone)
  redis.call('HDEL', KEYS[4], gone)
  changed = true
end
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then changed = true end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[4], ARGV[1], ARGV[4])
if changed then redis.call('PUBLISH', ARGV[5], ARGV[1]) end
return 1
