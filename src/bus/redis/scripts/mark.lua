-- Marks buckets of a rollup as dirty, each with a new generation; since when it is dirty is kept. The counter of generations stays when
-- buckets are cleaned: whoever has read one must not take it for a later one of the same bucket.
-- KEYS dirty   ARGV counter, start…   → the generation
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local generation = redis.pcall('HINCRBY', KEYS[1], ARGV[1], 1)
if type(generation) ~= 'number' then
  -- Somebody has made it no number: from here on it is one that no earlier generation can have reached.
  generation = tonumber(now)
  redis.call('HSET', KEYS[1], ARGV[1], now)
end
for i = 2, #ARGV do
  local mark = redis.call('HGET', KEYS[1], ARGV[i])
  local since = mark and string.match(mark, ' (%d+)$') or now
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f %s', generation, since))
end
return generation
