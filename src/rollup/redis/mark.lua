-- Marks buckets of a rollup as dirty, each with a new generation; since when it is dirty is kept. The counter of generations stays when
-- buckets are cleaned: whoever has read one must not take it for a later one of the same bucket. So it follows the clock, microseconds
-- since the epoch: one that was given out and forgotten, since Redis has gone back, does not come again.
-- With a second key the marks of the caller are counted there: where there are fewer than it was told, Redis has gone back.
-- KEYS dirty, marks of the caller   ARGV counter, start…   → how many marks the caller has made; without a second key, the generation
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
-- Where somebody has made it no number, or none that can be, the clock alone says it.
if not last or not (last < 9e15) then last = 0 end
local generation = math.max(last + 1, time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', generation))
for i = 2, #ARGV do
  local mark = redis.call('HGET', KEYS[1], ARGV[i])
  local since = mark and string.match(mark, ' (%d+)$') or now
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f %s', generation, since))
end
if not KEYS[2] then return generation end
local made = redis.pcall('INCR', KEYS[2])
if type(made) ~= 'number' then
  -- Where somebody has made it no number it begins anew, and the caller marks once more what it has marked.
  redis.call('SET', KEYS[2], 1)
  made = 1
end
-- Longer than marks are remembered.
redis.call('PEXPIRE', KEYS[2], 3600000)
return made
