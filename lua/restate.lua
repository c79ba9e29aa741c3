-- Says again what Redis holds of users and an article, as events that MySQL will follow; and puts the article's count
-- right where it is not that of its likes. Run twice it says the same twice.
--
-- KEYS  1 warm   2 outbox   3 likes   4 members
-- ARGV  1 name of the server   2 article id   3 and on: user ids
--
-- Returns OK, last id of the outbox, 1 if the count was changed else 0
--         COLD   as in like.lua

-- @include guard
-- @include last_id
-- @include members
-- @include event

local warm, outbox, likes, members = unpack(KEYS)

local now = now_us()
local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local n = set_count(members)
for i = 3, #ARGV do
  append(outbox, {
    type = 'like', user_id = ARGV[i], article_id = ARGV[2], reads = '', cause = 'reconcile',
    status = redis.call('SISMEMBER', set_of(members, n, ARGV[i]), ARGV[i]),
    at = string.format('%.0f', math.floor(now / 1000)), request_id = '', ip_hash = '',
  })
end
local count = member_count(members, n)
if count == tonumber(redis.call('GET', likes) or 0) then
  return { 'OK', last_id(outbox), 0 }
end
redis.call('SET', likes, count)
return { 'OK', last_id(outbox), 1 }
