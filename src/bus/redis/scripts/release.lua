-- Gives the lease back at once. The epoch stays, so that it can only grow.
-- KEYS lease   ARGV owner, token
if holds(KEYS[1], ARGV[1], ARGV[2]) then redis.call('HDEL', KEYS[1], 'owner', 'until') end
return 1
