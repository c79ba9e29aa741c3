-- Restores barred users from MySQL, into a partition that is fenced for this rebuild.
--
-- KEYS  1 warm   2 numbers of the sets   3 set
-- ARGV  1 id of the rebuild   2 number of the set   3 and on: numbers of users
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild

if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then
  return { 'STALE' }
end
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('SADD', KEYS[3], unpack(ARGV, 3))
return { 'OK' }
