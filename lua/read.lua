-- Counts a read, once for each view token.
--
-- KEYS  1 warm   2 outbox   3 limit of the address   4 reads   5 used token   6 changed
-- ARGV  1 name of the server   2 deadline, ms by the server's clock   3 user id, empty for a visitor   4 article id
--       5 outbox length at which changes are refused
--       6 epoch that the token was made in   7 when it was made, ms by the server's clock
--       8 ms after which it counts   9 ms after which it no longer does
--       10 burst, 11 interval in us of the address's limit
--       12 request id   13 ip hash
--
-- Returns OK, 1 if it counted else 0 (it had counted before), reads
--         EARLY, ms to wait   the view is not old enough
--         EXPIRED             it is too old, or from before the last rebuild, whose used tokens are not known
--         COLD, LATE, FULL or LIMITED, ms to wait, 1   as in toggle.lua

-- @include guard
-- @include limit
-- @include event

local warm, outbox, address_limit, reads, used, changed = unpack(KEYS)

local now = now_us()
local refused = refusal(warm, ARGV[1], now, ARGV[2])
if refused then
  return { refused }
end
if redis.call('HGET', warm, 'epoch') ~= ARGV[6] then
  return { 'EXPIRED' }
end
local age_ms = now / 1000 - ARGV[7]
if age_ms > tonumber(ARGV[9]) then
  return { 'EXPIRED' }
end
if age_ms < tonumber(ARGV[8]) then
  return { 'EARLY', math.ceil(ARGV[8] - age_ms) }
end
if redis.call('EXISTS', used) == 1 then
  return { 'OK', 0, tonumber(redis.call('GET', reads) or 0) }
end
if redis.call('XLEN', outbox) >= tonumber(ARGV[5]) then
  return { 'FULL' }
end
local allowed, ms = take({ { address_limit, ARGV[10], ARGV[11] } }, now)
if not allowed then
  return { 'LIMITED', ms, 1 }
end

-- Kept for the token's whole life from now, not for what is left of it: the clock may be set back.
redis.call('SET', used, 1, 'PX', ARGV[9])
redis.call('SADD', changed, ARGV[4])
local count = redis.call('INCR', reads)
append(outbox, {
  type = 'read', user_id = ARGV[3], article_id = ARGV[4], status = '', reads = count, cause = 'user',
  at = string.format('%.0f', math.floor(now / 1000)), request_id = ARGV[12], ip_hash = ARGV[13],
})
return { 'OK', 1, count }
