-- Switches kinds off for a reason other than their users' wish: status, count and event together. For kinds whose truth
-- is Redis. A call that may have arrived must not be sent again: the second answer would not say what the first call
-- did.
--
-- KEYS  1 warm   2 outbox   3 held, then for each pair: count, members
-- ARGV  1 name of the server   2 cause   3 when the pairs' hold expires, as hold.lua answered; empty if they need none
--       then for each pair: kind, number of the user, number of the article, user id, article id
--
-- Returns OK, last id of the outbox, then for each pair 1, or 0 if nothing was done: its hold has expired, or it
--             needs no hold and is not on
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id
-- @include members
-- @include event

local warm, outbox, held = unpack(KEYS, 1, 3)
local cause, until_ms = ARGV[2], ARGV[3]

local now = now_us()
local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local done = {}
for i = 1, (#ARGV - 3) / 5 do
  local total, members = KEYS[2 + 2 * i], KEYS[3 + 2 * i]
  local kind, user, article, user_id, article_id = unpack(ARGV, 5 * i - 1, 5 * i + 3)
  local pair, may = kind .. ':' .. user .. ':' .. article, true
  if until_ms ~= '' then
    -- During the hold only its holder can change the pair, so what was found out about the pair is still true.
    may = redis.call('ZSCORE', held, pair) == until_ms and now < until_ms * 1000
  end
  local n = set_count(members)
  local removed = may and redis.call('SREM', set_of(members, n, user), user) or 0
  if removed == 1 then
    lower(total, members, n)
  end
  -- A pair that is on only in MySQL also gets an event, which switches it off there.
  done[i] = (removed == 1 or (may and until_ms ~= '')) and 1 or 0
  if done[i] == 1 then
    append(outbox, kind, user_id, article_id, 0, '', cause, now, '', '')
    redis.call('ZREM', held, pair)
  end
end
return { 'OK', last_id(outbox), unpack(done) }
