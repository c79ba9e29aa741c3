-- Charges the frequency limits of an action that Redis itself does not carry out (a kind whose truth is MySQL).
--
-- KEYS  1 warm   2 limit of the user   3 limit of the address
-- ARGS  1 name of the server   2 deadline, ms by the server's clock
--       3 burst, 4 interval in us of the user's limit   5 burst, 6 interval of the address's
-- ARGV  1 ARGS, packed
--
-- Returns OK, requests left, ms until the burst is whole
--         COLD, LATE or LIMITED, ms to wait, 1 or 2   as in toggle.lua

-- @include guard
-- @include limit

local ARGS = { cmsgpack.unpack(ARGV[1]) }

local now = now_us()
local refused = refusal(KEYS[1], ARGS[1], now, ARGS[2])
if refused then
  return { refused }
end
local limits = { { KEYS[2], ARGS[3], ARGS[4] }, { KEYS[3], ARGS[5], ARGS[6] } }
local allowed, first, second = take(limits, redis.call('MGET', KEYS[2], KEYS[3]), now)
if not allowed then
  return { 'LIMITED', first, second }
end
return { 'OK', first, second }
