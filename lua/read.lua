-- Counts a read, once for each view token.
--
-- KEYS  1 warm   2 outbox   3 limit of the address   4 reads   5 tokens that were made in the same hour and have counted
--       6 changed
-- ARGS  1 name of the server   2 deadline, ms by the server's clock   3 user id, empty for a visitor   4 article id
--       5 outbox length at which changes are refused
--       6 number of the token   7 epoch that it was made in   8 when it was made, ms by the server's clock
--       9 ms after which it counts   10 ms after which it no longer does
--       11 burst, 12 interval in us of the address's limit
--       13 request id   14 ip hash
-- ARGV  1 ARGS, packed
--
-- Returns OK, 1 if the read counted else 0 (it had counted before), reads
--         EARLY, ms to wait   the view is not old enough
--         EXPIRED             the view is too old, or from before the last rebuild: used tokens from then are not known
--         COLD, LATE, FULL or LIMITED, ms to wait, 1   as in toggle.lua

-- @include guard
-- @include limit
-- @include members
-- @include event

local warm, outbox, address_limit, reads, used, changed = unpack(KEYS)
local ARGS = { cmsgpack.unpack(ARGV[1]) }
local token, made_ms, after_ms, lifetime_ms = ARGS[6], ARGS[8], ARGS[9], ARGS[10]
local HOUR_MS = 3600000

local now = now_us()
local refused = refusal(warm, ARGS[1], now, ARGS[2])
if refused then
  return { refused }
end
if tonumber(redis.call('HGET', warm, 'epoch')) ~= ARGS[7] then
  return { 'EXPIRED' }
end
local age_ms = now / 1000 - made_ms
if age_ms > lifetime_ms then
  return { 'EXPIRED' }
end
if age_ms < after_ms then
  return { 'EARLY', math.ceil(after_ms - age_ms) }
end
local found = redis.call('MGET', address_limit, used .. ':n', reads)
local n = tonumber(found[2] or 1)
local set = set_of(used, n, token)
if redis.call('SISMEMBER', set, token) == 1 then
  return { 'OK', 0, tonumber(found[3] or 0) }
end
if redis.call('XLEN', outbox) >= ARGS[5] then
  return { 'FULL' }
end
local allowed, ms = take({ { address_limit, ARGS[11], ARGS[12] } }, { found[1] }, now)
if not allowed then
  return { 'LIMITED', ms, 1 }
end

-- Keeps the key until the last token of the hour is too old. Counts from now and not from the hour, because the clock
-- may be set back.
local function forget_later(key)
  redis.call('PEXPIRE', key, string.format('%d', lifetime_ms + HOUR_MS))
end
redis.call('SADD', set, token)
local size = redis.call('SCARD', set)
if size == 1 then
  forget_later(set)
end
redis.call('SADD', changed, ARGS[4])
local count = redis.call('INCR', reads)
append(outbox, 'read', ARGS[3], ARGS[4], '', count, 'user', now, ARGS[13], ARGS[14])
-- The split comes last, since it may be cut short.
if size > 2 * PER_SET then
  split(used, n)
  forget_later(set_key(used, n))
  forget_later(used .. ':n')
end
return { 'OK', 1, count }
