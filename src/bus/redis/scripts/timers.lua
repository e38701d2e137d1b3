-- Fenced look at the next timers.
-- KEYS lease, timers   ARGV owner, token, from, count   → {member, score, …}, or false when fenced
local fault = fault_of('hz')
if fault then return fault end
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return false end
return redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
