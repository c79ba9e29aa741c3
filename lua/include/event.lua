-- Appends an event to the outbox; its stream id becomes the event's version. The same fields in the same order every
-- time: a stream stores repeated field names once.
local function append(outbox, event)
  return redis.call('XADD', outbox, '*',
    'type', event.type,
    'user_id', event.user_id,
    'article_id', event.article_id,
    'status', event.status,
    'reads', event.reads,
    'cause', event.cause,
    'at', event.at,
    'request_id', event.request_id,
    'ip_hash', event.ip_hash)
end
