-- Takes tokens out of a bucket that several processes share. A full bucket is not kept: its key expires once it would be full.
-- The server's clock may be put back: then nothing is added this once.
-- KEYS bucket   ARGV perSecond, burst, want   → { granted, ms until there is another one; 0 when all that was wanted is granted, whole tokens that are left }
local perSecond, burst, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or burst
local at = tonumber(bucket[2]) or now
-- Where somebody has made it a number that cannot be, the bucket is empty.
tokens = math.max(0, math.min(burst, tokens + math.max(0, now - at) * perSecond / 1000))
local granted = math.min(want, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((burst - tokens) * 1000 / perSecond) + 1000))
if granted == want then return { granted, 0, math.floor(tokens) } end
return { granted, math.ceil((1 - tokens) * 1000 / perSecond), 0 }
