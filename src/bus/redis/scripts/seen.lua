-- Fenced look at which ids were taken before.
-- KEYS lease, set…   ARGV owner, token, (#ids, id…)…   → {{1 or 0, …}, …}, or false when fenced
local fault = fault_of('h' .. string.rep('s', #KEYS - 1))
if fault then return fault end
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return false end
local at, answers = 3, {}
for set = 2, #KEYS do
  local ids, flags = tonumber(ARGV[at]), {}
  for first = at + 1, at + ids, 1000 do
    for _, flag in ipairs(redis.call('SMISMEMBER', KEYS[set], unpack(ARGV, first, math.min(first + 999, at + ids)))) do
      flags[#flags + 1] = flag
    end
  end
  answers[#answers + 1] = flags
  at = at + ids + 1
end
return answers
