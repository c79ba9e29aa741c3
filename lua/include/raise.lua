-- Raises the last id of the outbox without an entry, and returns it. For writes that have no event. A server whose outbox
-- ends below this id has lost them, and MySQL knows.
local function raise_last_id(outbox, now)
  local now_ms = math.floor(now / 1000)
  local ms, seq = string.match(last_id(outbox), '^(%d+)-(%d+)$')
  local last = now_ms > tonumber(ms) and string.format('%.0f-0', now_ms) or string.format('%s-%.0f', ms, seq + 1)
  redis.call('XSETID', outbox, last)
  return last
end
