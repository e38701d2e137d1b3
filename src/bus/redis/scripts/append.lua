-- Idempotent append: a producer's frames are numbered, so sending one again adds nothing.
-- KEYS stream, producers, meta   ARGV pid, inc, fs, n, c, t0, t1, h, d
-- It stands by itself, without library.lua: producers in other languages run it too.
-- → {'stored', id} | {'duplicate'} | {'gap', last} | {'superseded', inc}

-- A counter that is no number begins anew: what is stored is stored.
local function add(counter, count)
  if type(redis.pcall('HINCRBY', KEYS[3], counter, count)) ~= 'number' then redis.call('HSET', KEYS[3], counter, count) end
end

local inc, fs = tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HGET', KEYS[2], ARGV[1])
local last = -1
if known then
  local knownInc, knownFs = string.match(known, '^(%d+)|(%d+)')
  if knownInc and inc < tonumber(knownInc) then return { 'superseded', knownInc } end
  if knownInc and inc == tonumber(knownInc) then last = tonumber(knownFs) end
end
if fs <= last then
  -- Written again, unchanged: WAIT and WAITAOF cover no more than the last write of their own connection, and the one that
  -- stored this frame may have been lost with the answer.
  redis.call('HSET', KEYS[2], ARGV[1], known)
  return { 'duplicate' }
end
if fs > last + 1 then return { 'gap', last } end
local id = redis.call('XADD', KEYS[1], '*', 'v', '1', 'pid', ARGV[1], 'inc', ARGV[2], 'fs', ARGV[3], 'n', ARGV[4],
  'c', ARGV[5], 't0', ARGV[6], 't1', ARGV[7], 'h', ARGV[8], 'd', ARGV[9])
-- The time of the entry tells later who has fallen silent for long (forget.lua).
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '|' .. ARGV[3] .. '|' .. string.match(id, '^%d+'))
-- How many were ever stored: what a trimmed entry held cannot be asked any more.
add('frames', 1)
add('events', ARGV[4])
return { 'stored', id }
