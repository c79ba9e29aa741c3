-- Counts a page view and its visitor.
--
-- KEYS  1 warm   2 limit of the visitor   3 limit of the address   4 pv   5 uv   6 changed
-- ARGS  1 name of the server   2 deadline, ms by the server's clock   3 visitor   4 article id
--       5 burst, 6 interval in us of the visitor's limit   7 burst, 8 interval of the address's
-- ARGV  1 ARGS, packed
--
-- Returns OK, pv, uv, now in ms by the server's clock, epoch, requests left, ms until the burst is whole
--         COLD, LATE or LIMITED, ms to wait, 1 or 2   as in toggle.lua

-- @include guard
-- @include limit

local warm, visitor_limit, address_limit, pv, uv, changed = unpack(KEYS)
local ARGS = { cmsgpack.unpack(ARGV[1]) }

local now = now_us()
local refused = refusal(warm, ARGS[1], now, ARGS[2])
if refused then
  return { refused }
end
local limits = { { visitor_limit, ARGS[5], ARGS[6] }, { address_limit, ARGS[7], ARGS[8] } }
local allowed, first, second = take(limits, redis.call('MGET', visitor_limit, address_limit), now)
if not allowed then
  return { 'LIMITED', first, second }
end

redis.call('PFADD', uv, ARGS[3])
redis.call('SADD', changed, ARGS[4])
return {
  'OK', redis.call('INCR', pv), redis.call('PFCOUNT', uv), math.floor(now / 1000),
  tonumber(redis.call('HGET', warm, 'epoch')), first, second,
}
