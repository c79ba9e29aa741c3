-- Reads the state of a partition, warm or not.
--
-- KEYS  1 warm   2 outbox   3 projector
--
-- Returns OK, server of the marker (empty: none, or fenced for a rebuild), epoch (0: none), last id of the outbox,
--         entries in the outbox, id of the oldest of them (empty: none), id of the rebuild it is fenced for (empty: none),
--         how many times the projections here were written

-- @include last_id

local marker = redis.call('HMGET', KEYS[1], 'run_id', 'epoch', 'rebuild')
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
return {
  'OK', marker[1] or '', tonumber(marker[2] or 0), last_id(KEYS[2]), redis.call('XLEN', KEYS[2]), oldest and oldest[1] or '',
  marker[3] or '', tonumber(redis.call('HGET', KEYS[3], 'writes') or 0),
}
