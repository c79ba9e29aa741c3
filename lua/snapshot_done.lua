-- Forgets articles whose counters MySQL has.
--
-- KEYS  1 saving
-- ARGV  article ids
--
-- Returns how many were there

return redis.call('SREM', KEYS[1], unpack(ARGV))
