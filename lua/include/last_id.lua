-- Returns the id of the last entry that was ever in the outbox. Every change acknowledged until now is at or before it.
local function last_id(outbox)
  if redis.call('EXISTS', outbox) == 1 then
    local info = redis.call('XINFO', 'STREAM', outbox)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        return info[i + 1]
      end
    end
  end
  return '0-0'
end
