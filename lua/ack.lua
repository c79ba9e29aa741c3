-- Removes entries that Kafka has confirmed from the outbox. By id, never by trimming.
--
-- KEYS  1 outbox
-- ARGV  1 the relay's consumer group   2 and on: entry ids
--
-- Returns OK, how many were there

redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
return { 'OK', redis.call('XDEL', KEYS[1], unpack(ARGV, 2)) }
