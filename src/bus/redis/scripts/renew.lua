-- Prolongs one's own lease. An expired one is still one's own as long as nobody took it.
-- KEYS lease   ARGV owner, token, ttlMs   → 1 or 0
local fault = fault_of('h')
if fault then return fault end
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]), 'ttl', ARGV[3])
return 1
