-- Where a group is, at one moment: what was read on one side of the balance, what is settled and what is pending on the other.
-- KEYS lease, ledger, meta, stream, open, replay log, replay open   ARGV group
-- → {owner, epoch, ledger, {pendingEntries, pendingEvents, firstPending, lag, lastDelivered} of each log,
--    {entriesAdded, seen, frames, eventsInFrames, seenEvents, vanished}}
local fault = fault_of('hhhxhxh')
if fault then return fault end
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'seen', 'events')

local function look(log, open)
  if redis.call('EXISTS', log) == 0 then return { 0, 0, false, 0, '0-0' } end
  local group = group_of(log, ARGV[1])
  if not group then return { 0, 0, false, redis.call('XLEN', log), '0-0' } end
  local pending = redis.call('XPENDING', log, ARGV[1])
  local events = pending_events(log, ARGV[1], open)
  local lag = group['lag'] or false
  -- Redis 7.0 goes on counting as unread what was removed unread.
  if group['last-delivered-id'] == named(redis.call('XINFO', 'STREAM', log))['last-generated-id'] then lag = 0 end
  return { pending[1], events, pending[2], lag, group['last-delivered-id'] }
end

-- What the log was ever given, and what the group was: the difference, but for what is still unread, is lost.
local added = redis.call('EXISTS', KEYS[4]) == 1 and named(redis.call('XINFO', 'STREAM', KEYS[4]))['entries-added'] or false
local meta = redis.call('HMGET', KEYS[3], 'frames', 'events', 'vanished')
return {
  lease[1], lease[2], redis.call('HGETALL', KEYS[2]), look(KEYS[4], KEYS[5]), look(KEYS[6], KEYS[7]),
  { added, lease[3], meta[1], meta[2], lease[4], meta[3] },
}
