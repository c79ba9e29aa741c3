-- Removes all that the partition has of an article: of each kind its count and its users; page views, visitors and reads;
-- its name among what the next snapshot saves. There are no events: MySQL deletes its rows by itself.
--
-- Instead, the last id of the outbox grows. Every event of the article up to that id happened before, every later event
-- after.
--
-- KEYS  1 warm   2 outbox   3 projector   4 changed   5 saving   6 pv   7 uv   8 reads, then for each kind: count, members
-- ARGV  1 name of the server   2 article id   3 token: no projector with a lower one writes here any more
--
-- Returns OK, last id of the outbox, now in ms by the server's clock, epoch, pv, uv, reads, then the count of each kind,
--             all as they were
--         COLD   as in toggle.lua

-- @include guard
-- @include last_id
-- @include raise
-- @include members

local warm, outbox, projector, changed, saving, pv, uv, reads = unpack(KEYS, 1, 8)
local article_id, token = ARGV[2], ARGV[3]
local FIRST_KEY = 9
-- Keys of one command: Lua's stack has room for a few thousand.
local SLICE = 1000

local now = now_us()
local refused = refusal(warm, ARGV[1])
if refused then
  return { refused }
end
local last = raise_last_id(outbox, now)

-- Whatever a projector has read of MySQL until now may be of rows that are deleted.
local known = redis.call('HGET', projector, 'token')
if not known or tonumber(known) < tonumber(token) then
  redis.call('HSET', projector, 'token', token)
end

local answer = {
  'OK', last, math.floor(now / 1000), tonumber(redis.call('HGET', warm, 'epoch')), tonumber(redis.call('GET', pv) or 0),
  redis.call('PFCOUNT', uv), tonumber(redis.call('GET', reads) or 0),
}
for i = FIRST_KEY, #KEYS, 2 do
  local total, members = KEYS[i], KEYS[i + 1]
  local n, sets = set_count(members), {}
  answer[#answer + 1] = tonumber(redis.call('GET', total) or 0)
  -- Also set n, which a split that was cut short may have left.
  for index = 0, n do
    sets[#sets + 1] = set_key(members, index)
    if #sets == SLICE or index == n then
      redis.call('UNLINK', unpack(sets))
      sets = {}
    end
  end
  -- Last, since without their number the other sets would not be found again.
  redis.call('UNLINK', total, members .. ':n')
end
redis.call('UNLINK', pv, uv, reads)
redis.call('SREM', changed, article_id)
redis.call('SREM', saving, article_id)
return answer
