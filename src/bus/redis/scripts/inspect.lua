-- The ledger of a partition and the events in its pending entries, at one moment: the two sides of the balance.
-- KEYS lease, ledger, stream…   ARGV group   → {owner, epoch, ledger, pendingEntries, pendingEvents, firstPending}
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
local entries, events, first = 0, 0, false
for k = 3, #KEYS do
  local start = '-'
  while true do
    local page = redis.pcall('XPENDING', KEYS[k], ARGV[1], start, '+', 1000)
    if page.err then break end
    for _, item in ipairs(page) do
      first = first or item[1]
      entries = entries + 1
      local found = redis.call('XRANGE', KEYS[k], item[1], item[1])
      local fields = found[1] and found[1][2]
      if fields and fields[1] == 'v' and fields[9] == 'n' then
        events = events + (tonumber(string.match(fields[10], '^[1-9]%d?%d?$') or 1))
      else
        events = events + 1
      end
    end
    if #page < 1000 then break end
    start = '(' .. page[#page][1]
  end
end
return { lease[1], lease[2], redis.call('HGETALL', KEYS[2]), entries, events, first }
