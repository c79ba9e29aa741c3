-- Reads the key set of users' tokens that instances share, or takes the turn to fetch another. The set is sealed by the
-- instance that fetched it; whoever reads it checks the seal.
--
-- KEYS  1 shared set   2 turn
-- ARGV  1 deadline, ms by the server's clock   2 the tag of the set that the caller knows, which is what a set has before
--       its first colon; empty for none   3 ms that a turn lasts
--
-- Returns OK, set, 0, 0         it is another one than the caller knows
--         OK, empty, 1, 0       it is not, and the caller has the turn now
--         OK, empty, 0, ms      it is not, and another has the turn for so long
--         LATE   as in toggle.lua

-- @include guard
-- @include turn

if late(now_us(), ARGV[1]) then
  return { 'LATE' }
end
local set = redis.call('GET', KEYS[1])
if set and string.match(set, '^[^:]*') ~= ARGV[2] then
  return { 'OK', set, 0, 0 }
end
return { 'OK', '', take_turn(KEYS[2], ARGV[3]) }
