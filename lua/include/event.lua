-- Appends an event to the outbox; its stream id becomes the event's version. One field with all values, in the order of
-- `OutboxEntry::FIELDS`, a space between them: no value has one. `now` is in microseconds.
local function append(outbox, kind, user_id, article_id, status, reads, cause, now, request_id, ip_hash)
  local at = string.format('%d', now / 1000)
  return redis.call('XADD', outbox, '*', 'event',
    kind .. ' ' .. user_id .. ' ' .. article_id .. ' ' .. status .. ' ' .. reads .. ' ' .. cause .. ' ' .. at .. ' '
      .. request_id .. ' ' .. ip_hash)
end
