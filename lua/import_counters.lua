-- Sets an article's PV and reads to those of another system, unless the article has counters here.
--
-- KEYS  1 warm   2 pv   3 reads   4 changed
-- ARGV  1 name of the server   2 article id   3 pv   4 reads
--
-- Returns OK, 1 if they are set now, 2 if they had just these values, 0 if the article has other counters
--         COLD   as in toggle.lua

-- @include guard

local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return { refused }
end
local found = redis.call('MGET', KEYS[2], KEYS[3])
if found[1] or found[2] then
  return { 'OK', (found[1] or '0') == ARGV[3] and (found[2] or '0') == ARGV[4] and 2 or 0 }
end
for i = 2, 3 do
  if ARGV[i + 1] ~= '0' then
    redis.call('SET', KEYS[i], ARGV[i + 1])
  end
end
redis.call('SADD', KEYS[4], ARGV[2])
return { 'OK', 1 }
