-- Takes marks of a rollup off where no other has been made since they were read.
-- KEYS dirty   ARGV (start, generation)…   → how many
local cleaned = 0
for i = 1, #ARGV, 2 do
  local mark = redis.call('HGET', KEYS[1], ARGV[i])
  -- A mark that nobody can read was read as one of no generation.
  if mark and (string.match(mark, '^(%d+) %d+$') or '0') == ARGV[i + 1] then cleaned = cleaned + redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return cleaned
