-- Everyone whose entry has not run out.
-- KEYS until, facts, load, ttls   → {facts, load, leftMs, facts, load, leftMs, …}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local live = redis.call('ZRANGE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'BYSCORE', 'WITHSCORES')
local answer = {}
for i = 1, #live, 2 do
  local left, ttl = tonumber(live[i + 1]) - now, redis.call('HGET', KEYS[4], live[i])
  -- Where it cannot be read, or is not there, it is the one that is usual; nobody asks for more than a minute.
  ttl = math.min(ttl and string.match(ttl, '^%d+$') and tonumber(ttl) or 10000, 60000)
  if left > ttl then
    -- The clock was put back since: nobody is taken for alive for longer than its TTL.
    left = ttl
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), live[i])
  end
  answer[#answer + 1] = redis.call('HGET', KEYS[2], live[i])
  answer[#answer + 1] = redis.call('HGET', KEYS[3], live[i])
  answer[#answer + 1] = left
end
return answer
