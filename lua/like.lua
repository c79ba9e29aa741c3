-- Likes or unlikes an article: status, count and outbox event together, or nothing.
--
-- KEYS  1 warm   2 barred   3 outbox   4 limit of the user   5 limit of the address   6 likes   7 members
--       8 held
-- ARGV  1 name of the server   2 deadline, ms by the server's clock   3 user id   4 article id   5 status: 1 likes, 0 unlikes
--       6 outbox length at which changes are refused
--       7 burst, 8 interval in us of the user's limit   9 burst, 10 interval of the address's
--       11 request id   12 ip hash
--
-- Returns OK, 1 if it changed anything else 0, likes, requests left, ms until the burst is whole
--         COLD                  the server's data is not known to be whole
--         LATE                  the deadline has passed
--         BARRED                the user may not like here
--         HELD                  this like is being looked into, which takes seconds
--         FULL                  the outbox is at its high-water mark
--         LIMITED, ms to wait, 1 or 2   the user's or the address's limit is used up

-- @include guard
-- @include limit
-- @include members
-- @include event

local warm, barred, outbox, user_limit, address_limit, likes, members, held = unpack(KEYS)
local user, article, status = ARGV[3], ARGV[4], ARGV[5]

local now = now_us()
local refused = refusal(warm, ARGV[1], now, ARGV[2])
if refused then
  return { refused }
end
if redis.call('SISMEMBER', barred, user) == 1 then
  return { 'BARRED' }
end
local held_until = redis.call('ZSCORE', held, user .. ':' .. article)
if held_until and held_until * 1000 > now then
  return { 'HELD' }
end
if redis.call('XLEN', outbox) >= tonumber(ARGV[6]) then
  return { 'FULL' }
end
local allowed, first, second = take({ { user_limit, ARGV[7], ARGV[8] }, { address_limit, ARGV[9], ARGV[10] } }, now)
if not allowed then
  return { 'LIMITED', first, second }
end

local n = set_count(members)
local set = set_of(members, n, user)
local changed, count
if status == '1' then
  changed = redis.call('SADD', set, user)
  count = changed == 1 and redis.call('INCR', likes)
else
  changed = redis.call('SREM', set, user)
  count = changed == 1 and redis.call('DECR', likes)
end
if changed == 0 then
  return { 'OK', 0, tonumber(redis.call('GET', likes) or 0), first, second }
end
append(outbox, {
  type = 'like', user_id = user, article_id = article, status = status, reads = '', cause = 'user',
  at = string.format('%.0f', math.floor(now / 1000)), request_id = ARGV[11], ip_hash = ARGV[12],
})
-- Last, since it may be cut short.
if status == '1' and count > n * PER_SET then
  split(members, n)
end
return { 'OK', 1, count, first, second }
