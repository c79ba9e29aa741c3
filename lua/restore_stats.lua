-- Restores an article's PV, UV and reads from MySQL, into a partition that is fenced for this rebuild.
--
-- KEYS  1 warm   2 pv   3 uv   4 reads
-- ARGV  1 id of the rebuild   2 pv   3 uv sketch as it was saved, may be empty   4 reads
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild

if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then
  return { 'STALE' }
end
if ARGV[2] ~= '0' then
  redis.call('SET', KEYS[2], ARGV[2])
end
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[3], ARGV[3])
end
if ARGV[4] ~= '0' then
  redis.call('SET', KEYS[4], ARGV[4])
end
return { 'OK' }
