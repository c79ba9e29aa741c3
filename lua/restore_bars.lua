-- Restores barred users from MySQL, into a partition that is fenced for this rebuild.
--
-- KEYS  1 warm   2 barred
-- ARGV  1 id of the rebuild   2 and on: numbers of users
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild

if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then
  return { 'STALE' }
end
redis.call('SADD', KEYS[2], unpack(ARGV, 2))
return { 'OK' }
