-- Fences a partition for a rebuild: no request is served from it, and the restore scripts may write to it.
--
-- KEYS  1 warm
-- ARGV  1 id of the rebuild   2 name of the server
--
-- Returns OK
--         WARM   the partition is served: another process has declared it whole

if redis.call('HGET', KEYS[1], 'run_id') == ARGV[2] then
  return { 'WARM' }
end
redis.call('HDEL', KEYS[1], 'run_id')
redis.call('HSET', KEYS[1], 'rebuild', ARGV[1])
return { 'OK' }
