-- Moves a dead letter to its pipeline's replay log. The letter is there before and gone after: sent twice, it moves once.
-- KEYS dlq, replay log, ledger   ARGV id, log   → events, or 'gone', or 'empty' where nothing was kept to read again
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if not found[1] then return 'gone' end
local letter = found[1][2]
local fields, entry, index, original, origin = {}, '', '', nil, nil
for i = 1, #letter, 2 do
  local name, value = letter[i], letter[i + 1]
  if name == 'f:hr:origin' then
    origin = value
  elseif string.sub(name, 1, 2) == 'f:' then
    fields[#fields + 1] = string.sub(name, 3)
    fields[#fields + 1] = value
  elseif name == 'entry' then
    entry = value
  elseif name == 'index' then
    index = value
  elseif name == 'original' then
    original = value
  end
end
if original then
  fields = { 'data', original }
  origin = ARGV[2] .. '\n' .. entry .. '\n' .. index
end
if #fields == 0 then return 'empty' end
local events = events_in(fields)
fields[#fields + 1] = 'hr:origin'
fields[#fields + 1] = origin or (ARGV[2] .. '\n' .. entry)
redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('XDEL', KEYS[1], ARGV[1])
add(KEYS[3], 'replayed', events)
return events
