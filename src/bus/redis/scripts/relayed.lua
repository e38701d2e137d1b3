-- Takes frames off an outbox that are in their logs. One that has gone back meanwhile may hold them again since its logs lack them.
-- KEYS lease, outbox   ARGV owner, token, commits that the owner has made, id…   → 1, 0 when fenced or gone back
if not holds(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
if (whole(redis.call('HGET', KEYS[1], 'commits')) or 0) < tonumber(ARGV[3]) then return 0 end
for first = 4, #ARGV, 1000 do redis.call('XDEL', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV))) end
return 1
