-- Imports pairs that another system had on: status and count, without an event, because the caller writes the rows to MySQL
-- itself. For kinds whose truth is Redis. The caller holds the pairs. A second run does nothing more.
--
-- KEYS  1 warm   2 held   3 outbox, then for each pair: count, members, then the members of each excluded kind
-- ARGV  1 name of the server   2 kind   3 how many kinds it excludes   4 when the pairs' hold expires, as hold.lua returned
--       then for each pair: number of the user, number of the article
--
-- Returns OK, last id of the outbox, which MySQL must know before the import is reported, then for each pair
--             1 if it is on now, 2 if it was on, 3 if another kind is on that excludes it, or 0 if its hold has expired
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id
-- @include raise
-- @include members

local warm, held, outbox = KEYS[1], KEYS[2], KEYS[3]
local kind, excludes, until_ms = ARGV[2], tonumber(ARGV[3]), ARGV[4]

local now = now_us()
local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local raised
local function import(user, article, first)
  if redis.call('ZSCORE', held, kind .. ':' .. user .. ':' .. article) ~= until_ms or now >= until_ms * 1000 then
    return 0
  end
  for i = 1, excludes do
    local other = KEYS[first + 1 + i]
    if redis.call('SISMEMBER', set_of(other, set_count(other), user), user) == 1 then
      return 3
    end
  end
  local total, members = KEYS[first], KEYS[first + 1]
  local n = set_count(members)
  if redis.call('SADD', set_of(members, n, user), user) == 0 then
    return 2
  end
  -- Before anything that may be cut short.
  raised = raised or raise_last_id(outbox, now)
  if redis.call('INCR', total) > n * PER_SET then
    split(members, n)
  end
  return 1
end
local outcomes = {}
for i = 1, (#ARGV - 4) / 2 do
  outcomes[i] = import(ARGV[2 * i + 3], ARGV[2 * i + 4], 4 + (i - 1) * (2 + excludes))
end
return { 'OK', raised or last_id(outbox), unpack(outcomes) }
