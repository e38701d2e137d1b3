#!lua flags=allow-oom
-- Removes a dead letter for good, and counts the events that it held.
-- KEYS dlq, ledger   ARGV id   → 1, or 0 where it is not there
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if not found[1] then return 0 end
local letter, kept, framed, announced = found[1][2], 0, false, nil
for i = 1, #letter, 2 do
  if string.sub(letter[i], 1, 2) == 'f:' then
    kept = kept + 1
    if kept == 1 then framed = letter[i] == 'f:v' end
    if kept == 5 and framed and letter[i] == 'f:n' then announced = letter[i + 1] end
  end
end
local events = announced and tonumber(string.match(announced, '^[1-9]%d?%d?$') or 1) or 1
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('HINCRBY', KEYS[2], 'discarded', events)
return 1
