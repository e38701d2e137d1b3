-- How many entries a log holds from one to another. KEYS log   ARGV from, to
local count, from = 0, ARGV[1]
while true do
  local page = redis.call('XRANGE', KEYS[1], from, ARGV[2], 'COUNT', 100)
  count = count + #page
  if #page < 100 then return count end
  from = '(' .. page[#page][1]
end
