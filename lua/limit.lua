-- Charges the frequency limits of an action that Redis itself does not carry out (a kind whose truth is MySQL).
--
-- KEYS  1 warm   2 limit of the user   3 limit of the address
-- ARGV  1 name of the server   2 deadline, ms by the server's clock
--       3 burst, 4 interval in us of the user's limit   5 burst, 6 interval of the address's
--
-- Returns OK, requests left, ms until the burst is whole
--         COLD, LATE or LIMITED, ms to wait, 1 or 2   as in toggle.lua

-- @include guard
-- @include limit

local now = now_us()
local refused = refusal(KEYS[1], ARGV[1], now, ARGV[2])
if refused then
  return { refused }
end
local allowed, first, second = take({ { KEYS[2], ARGV[3], ARGV[4] }, { KEYS[3], ARGV[5], ARGV[6] } }, now)
if not allowed then
  return { 'LIMITED', first, second }
end
return { 'OK', first, second }
