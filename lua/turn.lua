-- Takes the turn for work that one instance does for all of them.
--
-- KEYS  1 turn
-- ARGV  1 deadline, ms by the server's clock   2 ms that a turn lasts
--
-- Returns OK, 1, 0      the caller has the turn now
--         OK, 0, ms     another caller has the turn for so long
--         LATE   as in toggle.lua

-- @include guard
-- @include turn

if late(now_us(), ARGV[1]) then
  return { 'LATE' }
end
return { 'OK', take_turn(KEYS[1], ARGV[2]) }
