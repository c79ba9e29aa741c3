-- What is known of a partition, warm or not.
--
-- KEYS  1 warm   2 outbox
--
-- Returns run id of the marker (empty: none, or fenced for a rebuild), epoch (0: none), last id of the outbox,
--         entries in the outbox

local last_id = '0-0'
if redis.call('EXISTS', KEYS[2]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last_id = info[i + 1]
    end
  end
end
local marker = redis.call('HMGET', KEYS[1], 'run_id', 'epoch')
return { marker[1] or '', tonumber(marker[2] or 0), last_id, redis.call('XLEN', KEYS[2]) }
