-- Removes a dead letter for good, and counts the events that it held.
-- KEYS dlq, ledger   ARGV id   → 1, or 0 where it is not there
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if not found[1] then return 0 end
local letter, fields = found[1][2], {}
for i = 1, #letter, 2 do
  if string.sub(letter[i], 1, 2) == 'f:' then
    fields[#fields + 1] = string.sub(letter[i], 3)
    fields[#fields + 1] = letter[i + 1]
  end
end
redis.call('XDEL', KEYS[1], ARGV[1])
add(KEYS[2], 'discarded', events_in(fields))
return 1
