-- Switches a kind on or off for a user and an article. Changes status and count and appends the event together, or does
-- nothing. For kinds whose truth is Redis. Switching a kind on switches off the kinds that it excludes, each with its
-- own event.
--
-- KEYS  1 warm   2 set of barred users   3 outbox   4 held   5 limit of the user   6 limit of the address
--       7 count   8 members, then for each excluded kind: count, members
-- ARGS  1 name of the server   2 kind   3 number of the user   4 number of the article   5 status: 1 on, 0 off
--       6 user id   7 article id   8 request id   9 ip hash
--       10 deadline, ms by the server's clock   11 outbox length at which changes are refused
--       12 burst, 13 interval in us of the user's limit   14 burst, 15 interval of the address's
--       then the name of each excluded kind
-- ARGV  1 ARGS, packed
--
-- Returns OK, 1 if it changed anything else 0, count, requests left, ms until the burst is whole
--         COLD                  the server's data is not known to be whole
--         LATE                  the deadline has passed
--         BARRED                the user may not switch anything
--         HELD                  this pair of user and article is held, which lasts seconds
--         FULL                  the outbox is at its high-water mark
--         LIMITED, ms to wait, 1 or 2   the user's or the address's limit is used up

-- @include guard
-- @include limit
-- @include members
-- @include event

local warm, barred, outbox, held, user_limit, address_limit, total, members = unpack(KEYS, 1, 8)
local ARGS = { cmsgpack.unpack(ARGV[1]) }
local server, kind, user, article, status = unpack(ARGS, 1, 5)
local FIRST_KEY, FIRST_NAME = 9, 16

local now = now_us()
local refused = refusal(warm, server, now, ARGS[10])
if refused then
  return { refused }
end
-- Mostly there are neither bars nor holds, and one command shows that.
local is_guarded = redis.call('EXISTS', barred, held) > 0
if is_guarded and redis.call('SISMEMBER', barred, user) == 1 then
  return { 'BARRED' }
end
local function is_held(of)
  local held_until = is_guarded and redis.call('ZSCORE', held, of .. ':' .. user .. ':' .. article)
  return held_until and held_until * 1000 > now
end
if is_held(kind) then
  return { 'HELD' }
end
if redis.call('XLEN', outbox) >= ARGS[11] then
  return { 'FULL' }
end

-- One command reads the limits, the number of sets of each kind, and whether anybody has an excluded kind on.
local wanted = { user_limit, address_limit, members .. ':n' }
if status == '1' then
  for i = FIRST_KEY, #KEYS, 2 do
    wanted[#wanted + 1] = KEYS[i]
    wanted[#wanted + 1] = KEYS[i + 1] .. ':n'
  end
end
local found = redis.call('MGET', unpack(wanted))
local excluded = {}
for i = 4, #wanted, 2 do
  local name = ARGS[FIRST_NAME + i / 2 - 2]
  if found[i] then
    if is_held(name) then
      return { 'HELD' }
    end
    excluded[#excluded + 1] = { name, wanted[i], KEYS[FIRST_KEY + i - 3], tonumber(found[i + 1] or 1) }
  end
end

local limits = { { user_limit, ARGS[12], ARGS[13] }, { address_limit, ARGS[14], ARGS[15] } }
local allowed, first, second = take(limits, { found[1], found[2] }, now)
if not allowed then
  return { 'LIMITED', first, second }
end

local n = tonumber(found[3] or 1)
local set = set_of(members, n, user)
local changed, count
if status == '1' then
  changed = redis.call('SADD', set, user)
  count = changed == 1 and redis.call('INCR', total)
else
  changed = redis.call('SREM', set, user)
  count = changed == 1 and lower(total, members, n)
end
if changed == 0 then
  return { 'OK', 0, tonumber(redis.call('GET', total) or 0), first, second }
end
local function say(name, to)
  append(outbox, name, ARGS[6], ARGS[7], to, '', 'user', now, ARGS[8], ARGS[9])
end
for _, other in ipairs(excluded) do
  local name, other_total, other_members, other_n = unpack(other)
  if redis.call('SREM', set_of(other_members, other_n, user), user) == 1 then
    lower(other_total, other_members, other_n)
    say(name, '0')
  end
end
say(kind, status)
-- The split comes last, since it may be cut short.
if status == '1' and count > n * PER_SET then
  split(members, n)
end
return { 'OK', 1, count, first, second }
