-- Takes entries back from a reader that has not died of them: the time that they were given out for does not count. A former owner may
-- say so too, when its successor has them already: it lowers what was counted for itself.
-- What is no longer in the log stays as it is: XCLAIM would take it off the pending ones, and nobody would settle it.
-- KEYS stream   ARGV group, consumer, id…   → 1
for at = 3, #ARGV do
  local id = ARGV[at]
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if pending and #redis.call('XRANGE', KEYS[1], id, id) > 0 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', math.max(0, pending[4] - 1), 'JUSTID')
  end
end
return 1
