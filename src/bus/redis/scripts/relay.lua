-- Stores a derived frame once, behind the one that it names: what a log knows of an outbox and what the outbox knows of the log must fit
-- together, whichever of the two has gone back to an earlier state.
-- KEYS stream, producers, meta, strays   ARGV outbox, inc, fs, n, c, t0, t1, h, d, after ('inc|fs' or ''), sum of events with this frame,
--      tenure of the relay, instead ('inc|fs' or '' of what may stand there instead, '-' where nothing may), vanished,
--      strays that the relay knows of
-- A frame of 0 events leaves its number alone. → {'stored', id} | {'duplicate'} | {'unlinked', 'inc|fs|sum' or ''} | {'superseded', tenure}
local known = redis.call('HGET', KEYS[2], ARGV[1])
local last = string.match(known or '', '^%d+|%d+') or ''
if known and last == '' then
  -- Somebody has made it unreadable: the newest frame of this outbox that is there says it.
  last = newest_of(KEYS[1], ARGV[1])
  known = last == '' and '' or last .. '|' .. redis.call('TIME')[1] .. '000'
end
if last == ARGV[2] .. '|' .. ARGV[3] then
  -- Written again, unchanged: see append.lua.
  redis.call('HSET', KEYS[2], ARGV[1], known)
  return { 'duplicate' }
end
-- Whoever does not know the strays of this log would store some of them again. They are looked for before a frame is linked anew, and
-- what was remembered of them may be forgotten in between.
local is_blind = redis.call('SCARD', KEYS[4]) ~= tonumber(ARGV[15])
local sum, by = string.match(known or '', '^%d+|%d+|%d+|(%d+)|(%d+)$')
local unlinked = { 'unlinked', last == '' and '' or last .. '|' .. (sum or '0') }
if last ~= ARGV[10] then
  local latest = math.max(tonumber(by or '0'), tonumber(string.match(last, '^%d+') or '0'))
  if latest > tonumber(ARGV[12]) then return { 'superseded', string.format('%.0f', latest) } end
  if is_blind or ARGV[13] ~= last then return unlinked end
  if ARGV[14] ~= '0' then add(KEYS[3], 'vanished', ARGV[14]) end
  by = ARGV[12]
elseif is_blind then
  return unlinked
end
local id, time = '', redis.call('TIME')[1] .. '000'
if ARGV[4] ~= '0' then
  id = redis.call('XADD', KEYS[1], '*', 'v', '1', 'pid', ARGV[1], 'inc', ARGV[2], 'fs', ARGV[3], 'n', ARGV[4],
    'c', ARGV[5], 't0', ARGV[6], 't1', ARGV[7], 'h', ARGV[8], 'd', ARGV[9])
  time = string.match(id, '^%d+')
  add(KEYS[3], 'frames', 1)
  add(KEYS[3], 'events', ARGV[4])
end
redis.call('HSET', KEYS[2], ARGV[1], table.concat({ ARGV[2], ARGV[3], time, ARGV[11], by or '0' }, '|'))
return { 'stored', id }
