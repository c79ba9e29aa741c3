-- Reads the PV, UV and reads of articles of one partition, in the form that a snapshot saves.
--
-- KEYS  1 warm   2 outbox, then for each article: pv, uv, reads
-- ARGV  1 name of the server
--
-- Returns OK, last id of the outbox, by which MySQL knows whether an article was deleted since, then for each article:
--             pv, uv, uv sketch (the HyperLogLog's bytes, empty for none), reads
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id

local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return { refused }
end
local answer = { 'OK', last_id(KEYS[2]) }
for i = 3, #KEYS, 3 do
  answer[#answer + 1] = tonumber(redis.call('GET', KEYS[i]) or 0)
  answer[#answer + 1] = redis.call('PFCOUNT', KEYS[i + 1])
  answer[#answer + 1] = redis.call('GET', KEYS[i + 1]) or ''
  answer[#answer + 1] = tonumber(redis.call('GET', KEYS[i + 2]) or 0)
end
return answer
