-- Holds pairs of user and article: toggle.lua does not change them until they are released or the hold expires.
--
-- KEYS  1 warm   2 outbox   3 held
-- ARGV  1 name of the server   2 ms to hold   3 and on: pairs, as kind:user:article
--
-- Returns OK, last id of the outbox, when the hold expires (ms by the server's clock), then for each pair 1,
--             or 0 if another caller holds it
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id

local warm, outbox, held = unpack(KEYS)

local now = now_us()
local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local until_ms = string.format('%.0f', math.floor(now / 1000) + ARGV[2])
redis.call('ZREMRANGEBYSCORE', held, '-inf', math.floor(now / 1000))
local answer = { 'OK', last_id(outbox), until_ms }
for i = 3, #ARGV do
  answer[#answer + 1] = redis.call('ZADD', held, 'NX', until_ms, ARGV[i])
end
-- The key expires after the longest of its holds, so a holder that died leaves nothing behind.
if redis.call('PTTL', held) < 2 * ARGV[2] then
  redis.call('PEXPIRE', held, 2 * ARGV[2])
end
return answer
