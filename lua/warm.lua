-- Declares a server's data of a partition whole. From then on, requests are served from it.
--
-- KEYS  1 warm   2 outbox   3 projector
-- ARGV  1 name of the server   2 epoch: after a rebuild the next one, else the one that was seen
--       3 version that every new version must be above
--       4 id of the rebuild, empty if nothing was lost   5 the relay's consumer group
--       6 after a rebuild: a new token, so that no earlier projector writes here any more
--       7 after a rebuild: how many writes of projections MySQL knows of
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild; or, without a rebuild, is fenced or no longer as seen

if (redis.call('HGET', KEYS[1], 'rebuild') or '') ~= ARGV[4] then
  return { 'STALE' }
end
-- Without a rebuild, only a partition that is still as it was seen is declared whole: it may have been flushed
-- meanwhile.
if ARGV[4] == '' and (redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] or redis.call('EXISTS', KEYS[2]) == 0) then
  return { 'STALE' }
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[5], '0', 'MKSTREAM')
end
if ARGV[4] ~= '' then
  redis.call('XSETID', KEYS[2], ARGV[3])
  redis.call('HSET', KEYS[3], 'token', ARGV[6], 'writes', ARGV[7])
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'run_id', ARGV[1], 'epoch', ARGV[2])
return { 'OK' }
