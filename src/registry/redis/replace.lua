-- Writes a text where another still stands; none where that is empty.
-- KEYS text   ARGV before, after   → 1 written, 0 something else stands there
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
