-- Appends an event to the outbox. The id of the entry becomes the event's version. The entry has one field with all
-- values, in the order of `OutboxEntry::FIELDS`, separated by spaces: no value contains a space. `now` is in
-- microseconds.
local function append(outbox, kind, user_id, article_id, status, reads, cause, now, request_id, ip_hash)
  local at = string.format('%d', now / 1000)
  return redis.call('XADD', outbox, '*', 'event',
    kind .. ' ' .. user_id .. ' ' .. article_id .. ' ' .. status .. ' ' .. reads .. ' ' .. cause .. ' ' .. at .. ' '
      .. request_id .. ' ' .. ip_hash)
end
