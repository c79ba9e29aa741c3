-- Applies entries of MySQL's outbox, in the order given, to the projection of kinds whose truth is MySQL. Applying them
-- again leaves the same state, as long as the order is kept. Therefore one process at a time writes projections, and
-- its token is greater than that of every process before it.
--
-- KEYS  1 warm   2 projector, then for each entry: count, members
-- ARGV  1 name of the server   2 token of the projector, then for each entry: number of the user, status
--
-- Returns OK, how many times the projections here were written: too few show that a server lost some
--         STALE   another process has begun to write the projections here
--         COLD    as in toggle.lua

-- @include guard
-- @include members

local warm, projector = KEYS[1], KEYS[2]

local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local token = redis.call('HGET', projector, 'token')
if token ~= ARGV[2] then
  if token and tonumber(token) > tonumber(ARGV[2]) then
    return { 'STALE' }
  end
  redis.call('HSET', projector, 'token', ARGV[2])
end
for i = 3, #ARGV, 2 do
  local total, members, user = KEYS[i], KEYS[i + 1], ARGV[i]
  local n = set_count(members)
  local set = set_of(members, n, user)
  if ARGV[i + 1] == '1' then
    if redis.call('SADD', set, user) == 1 and redis.call('INCR', total) > n * PER_SET then
      split(members, n)
    end
  elseif redis.call('SREM', set, user) == 1 then
    lower(total, members, n)
  end
end
return { 'OK', redis.call('HINCRBY', projector, 'writes', 1) }
