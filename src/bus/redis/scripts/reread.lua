-- Copies a page of a partition's log to a pipeline's replay log, each entry with the origin that its ids and times come from.
-- KEYS log, replay log, ledger   ARGV from (an id, or '(' and an id), until, count, dry (1 counts only)
-- → {entries, events, last id or ''}
local page = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
local read = { data = true, type = true, id = true, time = true, version = true, source = true, traceparent = true }
local events = 0
for _, entry in ipairs(page) do
  local id, fields = entry[1], entry[2]
  events = events + events_in(fields)
  if ARGV[4] ~= '1' then
    local copy = fields
    if #fields > 6000 then
      -- More fields than one call can carry: those that are read, the first of each name.
      local seen = {}
      copy = {}
      for i = 1, #fields, 2 do
        if read[fields[i]] and not seen[fields[i]] then
          seen[fields[i]] = true
          copy[#copy + 1] = fields[i]
          copy[#copy + 1] = fields[i + 1]
        end
      end
    end
    copy[#copy + 1] = 'hr:origin'
    copy[#copy + 1] = KEYS[1] .. '\n' .. id
    redis.call('XADD', KEYS[2], '*', unpack(copy))
  end
end
if ARGV[4] ~= '1' and events > 0 then add(KEYS[3], 'reread', events) end
return { #page, events, #page > 0 and page[#page][1] or '' }
