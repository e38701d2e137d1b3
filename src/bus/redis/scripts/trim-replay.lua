#!lua flags=allow-oom
-- Removes from a replay log what its only group has acked, exactly: up to the first pending entry, else up to the last one given out.
-- KEYS replay log   ARGV group   → entries left
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then return 0 end
for _, group in ipairs(groups) do
  local name, delivered
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
    if group[i] == 'last-delivered-id' then delivered = group[i + 1] end
  end
  if name == ARGV[1] then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1)
    redis.call('XTRIM', KEYS[1], 'MINID', pending[1] and pending[1][1] or delivered)
    if not pending[1] then redis.call('XDEL', KEYS[1], delivered) end
  end
end
return redis.call('XLEN', KEYS[1])
