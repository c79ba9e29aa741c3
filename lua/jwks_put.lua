-- Shares a key set of users' tokens between instances. It stays until another set replaces it, so that the last known
-- set is there while the provider is down.
--
-- KEYS  1 shared set
-- ARGV  1 deadline, ms by the server's clock   2 set, which begins with its tag and a colon
--
-- Returns OK
--         LATE   as in toggle.lua

-- @include guard

if late(now_us(), ARGV[1]) then
  return { 'LATE' }
end
redis.call('SET', KEYS[1], ARGV[2])
return { 'OK' }
