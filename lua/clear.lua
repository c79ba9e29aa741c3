-- Removes keys of a partition that is fenced for this rebuild.
--
-- KEYS  1 warm   2 and on: keys to remove
-- ARGV  1 id of the rebuild
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild

if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then
  return { 'STALE' }
end
redis.call('UNLINK', unpack(KEYS, 2))
return { 'OK' }
