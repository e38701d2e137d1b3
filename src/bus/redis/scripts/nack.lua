-- Takes entries back from a reader that has not died of them: the time that they were given out for does not count.
-- What is no longer in the log stays as it is: XCLAIM would take it off the pending ones, and nobody would settle it.
-- KEYS lease, stream   ARGV owner, token, group, consumer, id…   → 1, 0 when fenced
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
for at = 5, #ARGV do
  local id = ARGV[at]
  local pending = redis.call('XPENDING', KEYS[2], ARGV[3], id, id, 1)[1]
  if pending and #redis.call('XRANGE', KEYS[2], id, id) > 0 then
    redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, id, 'RETRYCOUNT', math.max(0, pending[4] - 1), 'JUSTID')
  end
end
return 1
