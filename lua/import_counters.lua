-- Sets an article's PV and reads to those of another system, unless the article has counters here.
--
-- KEYS  1 warm   2 outbox   3 pv   4 reads   5 changed
-- ARGV  1 name of the server   2 article id   3 pv   4 reads
--
-- Returns OK, last id of the outbox, which MySQL must know before the import is reported, then
--             1 if they are set now, 2 if they had just these values, 0 if the article has other counters, then pv
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id
-- @include raise

local warm, outbox, pv, reads, changed = unpack(KEYS)

local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local found = redis.call('MGET', pv, reads)
if found[1] or found[2] then
  local same = (found[1] or '0') == ARGV[3] and (found[2] or '0') == ARGV[4]
  return { 'OK', last_id(outbox), same and 2 or 0, tonumber(found[1] or 0) }
end
local last = raise_last_id(outbox, now_us())
for i = 3, 4 do
  if ARGV[i] ~= '0' then
    redis.call('SET', KEYS[i], ARGV[i])
  end
end
redis.call('SADD', changed, ARGV[2])
return { 'OK', last, 1, tonumber(ARGV[3]) }
