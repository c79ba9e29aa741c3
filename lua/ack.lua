-- Removes entries from the outbox that Kafka has confirmed. Removes each by its id, and never trims the outbox.
--
-- KEYS  1 outbox
-- ARGV  1 the relay's consumer group   2 and on: entry ids
--
-- Returns OK, how many of them were there

redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
return { 'OK', redis.call('XDEL', KEYS[1], unpack(ARGV, 2)) }
