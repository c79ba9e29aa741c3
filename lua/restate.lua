-- Repeats what Redis holds of users for a kind and an article, as events that MySQL will follow. A second run appends
-- the same events again. Without users, corrects the count if it differs from the number of members, also that of a
-- projection.
--
-- KEYS  1 warm   2 outbox   3 count   4 members
-- ARGV  1 name of the server   2 kind   3 article id, then for each user: number, user id
--
-- Returns OK, last id of the outbox, 1 if the count was changed else 0
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id
-- @include members
-- @include event

local warm, outbox, total, members = unpack(KEYS)

local now = now_us()
local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local n = set_count(members)
for i = 4, #ARGV, 2 do
  local is_on = redis.call('SISMEMBER', set_of(members, n, ARGV[i]), ARGV[i])
  append(outbox, ARGV[2], ARGV[i + 1], ARGV[3], is_on, '', 'reconcile', now, '', '')
end
local count = #ARGV == 3 and member_count(members, n)
if not count or count == tonumber(redis.call('GET', total) or 0) then
  return { 'OK', last_id(outbox), 0 }
end
if count == 0 then
  redis.call('DEL', total, members .. ':n')
else
  redis.call('SET', total, count)
end
return { 'OK', last_id(outbox), 1 }
