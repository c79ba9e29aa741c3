-- What is known of a partition, warm or not.
--
-- KEYS  1 warm   2 outbox
--
-- Returns run id of the marker (empty: none, or fenced for a rebuild), epoch (0: none), last id of the outbox,
--         entries in the outbox

-- @include last_id

local marker = redis.call('HMGET', KEYS[1], 'run_id', 'epoch')
return { marker[1] or '', tonumber(marker[2] or 0), last_id(KEYS[2]), redis.call('XLEN', KEYS[2]) }
