#!lua flags=allow-oom
-- Fenced read: the check of the lease and the read are one step, so a former owner can take nothing away from the present one.
-- New entries are counted in the ledger here, by the number of events they say they hold: what the outcomes must add up to.
-- KEYS lease, stream, ledger   ARGV owner, epoch, group, consumer, count, from   → entries, or false when fenced
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return false end
local function read()
  return redis.pcall('XREADGROUP', 'GROUP', ARGV[3], ARGV[4], 'COUNT', ARGV[5], 'STREAMS', KEYS[2], ARGV[6])
end
local reply = read()
if reply and reply.err then
  if string.find(reply.err, 'NOGROUP', 1, true) == nil then return reply end
  -- The stream or the group was removed: begin again at 0, never at '$'.
  redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[3], '0', 'MKSTREAM')
  reply = read()
end
if not reply or not reply[1] then return {} end
local entries = reply[1][2]
if ARGV[6] == '>' then
  local events = 0
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if fields and fields[1] == 'v' and fields[9] == 'n' then
      events = events + (tonumber(string.match(fields[10], '^[1-9]%d?%d?$') or 1))
    else
      events = events + 1
    end
  end
  redis.call('HINCRBY', KEYS[3], 'read', events)
end
return entries
