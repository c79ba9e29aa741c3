-- Reads what Redis holds of a kind and an article, and the last entry of the outbox: the answer is as of this entry.
--
-- KEYS  1 warm   2 outbox   3 count   4 members
-- ARGV  1 name of the server   2 and on: numbers of users
--
-- Returns OK, last id of the outbox, count, number of users in the sets (-1 if users are asked about, or if there are
--             more sets than a script should count),
--             then for each user 1 (on) or 0
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id
-- @include members

local warm, outbox, total, members = unpack(KEYS)

local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local n = set_count(members)
-- Counted only by a call without users. This many sets take about 10 ms; an article with ten million users has ten times
-- as many.
local MOST_SETS = 5000
local in_sets = #ARGV == 1 and n <= MOST_SETS and member_count(members, n) or -1
local answer = { 'OK', last_id(outbox), tonumber(redis.call('GET', total) or 0), in_sets }
for i = 2, #ARGV do
  answer[#answer + 1] = redis.call('SISMEMBER', set_of(members, n, ARGV[i]), ARGV[i])
end
return answer
