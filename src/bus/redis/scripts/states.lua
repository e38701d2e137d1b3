-- Fenced look at keyed states. A former owner that went on from states which its successor has moved would write wrong rows.
-- KEYS lease, state   ARGV owner, token, name…   → {json or false, …}, or false when fenced
local fault = fault_of('hh')
if fault then return fault end
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return false end
local states = {}
for first = 3, #ARGV, 1000 do
  for _, state in ipairs(redis.call('HMGET', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV)))) do
    states[#states + 1] = state
  end
end
return states
