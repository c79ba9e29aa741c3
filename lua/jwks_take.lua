-- Reads the key set of users' tokens that instances share, or takes the turn to fetch another. The instance that
-- fetched the set has sealed it, and every instance that reads it checks the seal.
--
-- KEYS  1 shared set   2 turn
-- ARGV  1 deadline, ms by the server's clock   2 tag of the set that the caller knows, empty for none: a set begins
--       with its tag and a colon   3 ms that a turn lasts
--
-- Returns OK, set, 0, 0         the caller does not know this set
--         OK, empty, 1, 0       there is no other set, and the caller has the turn now
--         OK, empty, 0, ms      there is no other set, and another caller has the turn for so long
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
