#!lua flags=allow-oom
-- Gives the lease back at once. The epoch stays, so that it can only grow.
-- KEYS lease   ARGV owner, epoch
local lease = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if lease[1] == ARGV[1] and lease[2] == ARGV[2] then redis.call('HDEL', KEYS[1], 'owner', 'until') end
return 1
