-- What follows a plain read in its transaction: entries that are one event each need not pass through a script to be counted.
-- The read itself could not be fenced. If the lease is no longer the reader's, its present owner is told to look at what is
-- pending again, where the stolen entries are; the reader is told to forget them.
-- KEYS lease, stream, ledger   ARGV owner, token, group, commits, reads
-- → {1, reads}, or {2, reads} where something was stolen since the last read, {0} when fenced, or {3, commits, reads} when Redis has
--   gone back
local fault = fault_of('hxh')
if fault then return fault end
local pending = redis.call('XPENDING', KEYS[2], ARGV[3])[1]
local new = pending - (tonumber(redis.call('HGET', KEYS[1], 'flight:' .. KEYS[2]) or '0') or 0)
if new ~= 0 then add(KEYS[1], 'flight:' .. KEYS[2], new) end
if new > 0 then
  add(KEYS[3], 'read', new)
  add(KEYS[1], 'held:' .. KEYS[2], new)
  add_given(KEYS[1], new, new)
end
local state, commits, reads = standing(KEYS[1], ARGV[1], ARGV[2], ARGV[4], ARGV[5])
if state ~= 'held' then
  if new > 0 then redis.call('HSET', KEYS[1], 'stolen', 1) end
  return state == 'behind' and { 3, commits, reads } or { 0 }
end
if new > 0 then reads = redis.call('HINCRBY', KEYS[1], 'reads', 1) end
return { 1 + redis.call('HDEL', KEYS[1], 'stolen'), reads }
