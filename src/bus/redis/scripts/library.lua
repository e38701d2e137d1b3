-- What several scripts share. It stands in front of each of them: see scripts.ts.
--
-- The lease of a group is a hash: who owns it (owner, until, ttl, epoch, tenure), and where its group is with the log:
--   epoch        how often the lease was taken
--   tenure       names this taking of it, and is never given out again, also where Redis goes back: from time and chance, growing
--   past         the tenure before, and what its owner had when it ended: tenure|commits|reads
--   commits      how many commits the present owner has made; `made` tells the content of the last one
--   reads        how many reads have brought the present owner something new
--   floor        the checkpoint: everything up to this entry is settled; where the group begins again when somebody removes it
--   seen         entries that were given out, or were gone before the group began
--   events       events in the entries that were given out of its own log; absent where entries were gone before the group began
--   stolen       a former owner has read after it lost the lease: entries are pending that the present one has not seen
--   flight:<log> events given out and not settled, for each log (its own and the replay log)
--   held:<log>   entries given out and not acked, as far as these scripts know
--   names        the newest page of the names of events that were taken
--   out:<log>    the last derived frame for a log: incarnation|number|events in all of them

-- A whole number as these scripts write it, from 0 on; 0 where there is none, nil where somebody has made it no number.
local function whole(text)
  if not text then return 0 end
  local number = string.match(text, '^%d+$') and tonumber(text)
  -- Beyond it a number is not told from the next one.
  if number and number < 9e15 then return number end
end

-- Fails where a key is of another type than these scripts make it: 'h' hash, 'x' stream, 's' set, 't' text, 'z' sorted set; one letter for
-- each of KEYS. What a script has written stays where it fails in the middle, so this is asked before anything is.
local types = { h = 'hash', x = 'stream', s = 'set', t = 'string', z = 'zset' }
local function fault_of(letters)
  for i = 1, #letters do
    -- A user may lack the right to ask.
    local is, wanted = redis.pcall('TYPE', KEYS[i]).ok, types[string.sub(letters, i, i)]
    if is and is ~= 'none' and is ~= wanted then
      return redis.error_reply("WRONGTYPE the key '" .. KEYS[i] .. "' is a " .. is .. ', and no ' .. wanted)
    end
  end
end

-- `token` is '<epoch>:<tenure>'.
local function holds(lease, owner, token)
  local known = redis.call('HMGET', lease, 'owner', 'epoch', 'tenure')
  return known[1] == owner and (known[2] or '') .. ':' .. (known[3] or '') == token
end

-- Takes the lease from its owner, whose knowledge and what stands here do not fit together: it has to begin anew.
local function dismiss(lease)
  redis.call('HINCRBY', lease, 'epoch', 1)
  redis.call('HDEL', lease, 'owner', 'until')
end

-- Whether the lease is the caller's, and Redis still has all that it has told the caller: so many commits and reads. Where it has
-- not, it has gone back to an earlier state under a living owner. A lease that nobody can read is nobody's: acquire.lua makes it whole.
-- → 'held', 'fenced' or 'behind', and how many commits and reads there are of this tenure
local function standing(lease, owner, token, commits, reads)
  local known = redis.call('HMGET', lease, 'owner', 'epoch', 'tenure', 'commits', 'reads', 'past')
  local tenure, mine = whole(known[3]), tonumber(string.match(token, '%d+$'))
  local made, given = whole(known[4]), whole(known[5])
  if not tenure or not made or not given then return 'fenced', 0, 0 end
  -- Tenures only grow: where the last one is earlier, or the one before the last, Redis is of a time before this one began.
  if tenure < mine then return 'behind', 0, 0 end
  if tenure > mine then
    local past, past_made, past_given = string.match(known[6] or '', '^(%d+)|(%d+)|(%d+)$')
    past = tonumber(past or tenure)
    if past < mine then return 'behind', 0, 0 end
    if past == mine and (tonumber(past_made) < tonumber(commits) or tonumber(past_given) < tonumber(reads)) then
      return 'behind', tonumber(past_made), tonumber(past_given)
    end
    return 'fenced', 0, 0
  end
  if known[1] ~= owner or known[2] .. ':' .. known[3] ~= token then return 'fenced', 0, 0 end
  if made >= tonumber(commits) and given >= tonumber(reads) then return 'held', made, given end
  dismiss(lease)
  return 'behind', made, given
end

-- Adds to a counter. One that somebody has made no number begins anew: what is counted is wrong then, and the balance tells so. But what
-- it counts goes on. → the sum
local function add(hash, counter, count)
  local sum = redis.pcall('HINCRBY', hash, counter, count)
  if type(sum) == 'number' then return sum end
  redis.call('HSET', hash, counter, count)
  return tonumber(count)
end

-- Counts entries of its own log that a group was given, and their events. Where somebody has made it no number it stays so, for acquire.lua.
local function add_given(lease, entries, events)
  redis.pcall('HINCRBY', lease, 'seen', entries)
  if redis.call('HEXISTS', lease, 'events') == 1 then redis.pcall('HINCRBY', lease, 'events', events) end
end

-- The number of events that an entry says it holds: frame.ts counts by the same rule.
local function events_in(fields)
  if fields and fields[1] == 'v' and fields[9] == 'n' then
    return tonumber(string.match(fields[10], '^[1-9]%d?%d?$') or 1)
  end
  return 1
end

-- Whether a text is the id of an entry. Longer ones that Redis takes are none that it gives.
local function is_id(text)
  local ms, seq = string.match(text, '^(%d+)%-(%d+)$')
  return ms ~= nil and #ms < 19 and #seq < 19
end

-- The newest frame of a producer in a log, as far as it can be found soon: 'inc|fs', or '' where there is none.
local function newest_of(log, producer)
  local from = '+'
  for _ = 1, 200 do
    local page = redis.call('XREVRANGE', log, from, '-', 'COUNT', 100)
    for _, entry in ipairs(page) do
      local fields = entry[2]
      if fields[3] == 'pid' and fields[4] == producer then return fields[6] .. '|' .. fields[8] end
    end
    if #page < 100 then break end
    from = '(' .. page[#page][1]
  end
  return ''
end

-- The fields of XINFO as a table.
local function named(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function group_of(log, name)
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', log)) do
    local group = named(flat)
    if group['name'] == name then return group end
  end
end

-- How many events the entries hold that are given out and not acked.
local function pending_events(log, group, open)
  local events = redis.call('XPENDING', log, group)[1]
  for _, held in ipairs(redis.call('HVALS', open)) do events = events + (whole(held) or 1) - 1 end
  return events
end

-- Counted by hand: the server cannot tell the lag of a group that was just made in the middle of a log.
local function entries_after(log, id)
  local count = 0
  while true do
    local page = redis.call('XRANGE', log, '(' .. id, '+', 'COUNT', 100)
    count = count + #page
    if #page < 100 then return count end
    id = page[#page][1]
  end
end

-- Makes the group, unless it is there. A new one begins at the first entry, never at '$': what was sent before the pipeline's
-- first start is read too. One that somebody removed begins again behind what is settled, and what it was given counts as unread.
local function begin(lease, log, open, ledger, group, is_main)
  local floor = is_main and redis.call('HGET', lease, 'floor')
  if floor and not is_id(floor) then
    -- Nobody knows any more what is settled. Names that are remembered tell what is read once more.
    redis.call('HDEL', lease, 'floor')
    floor = false
  end
  local made = redis.pcall('XGROUP', 'CREATE', log, group, floor or '0-0', 'MKSTREAM')
  if made.err then return made end
  local flight = tonumber(redis.call('HGET', lease, 'flight:' .. log) or '0') or 0
  -- 0 - n, here and in commit.lua: -n may be -0, which Redis 7.0 takes for no integer.
  if flight > 0 then add(ledger, 'read', 0 - flight) end
  redis.call('HDEL', lease, 'flight:' .. log, 'held:' .. log)
  redis.call('DEL', open)
  if is_main then
    local behind = group_of(log, group)['lag'] or entries_after(log, floor or '0-0')
    local added = named(redis.call('XINFO', 'STREAM', log))['entries-added']
    redis.call('HSET', lease, 'floor', floor or '0-0', 'seen', added - behind)
    if not floor and added == behind then redis.call('HSET', lease, 'events', 0) end
    if redis.call('HEXISTS', lease, 'events') == 1 then redis.pcall('HINCRBY', lease, 'events', 0 - flight) end
  end
  return made
end
