-- Fenced look at the names of events that were taken lately.
-- KEYS lease, page…   ARGV owner, token   → {number of the newest page or -1, page or '', …}, or false when fenced
local fault = fault_of('h' .. string.rep('t', #KEYS - 1))
if fault then return fault end
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return false end
local newest = redis.call('HGET', KEYS[1], 'names')
local answers = { newest and whole(newest) or -1 }
for page = 2, #KEYS do answers[page] = redis.call('GET', KEYS[page]) or '' end
return answers
