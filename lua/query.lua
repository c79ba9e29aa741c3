-- The counters of articles of one partition, and whether a user likes them.
--
-- KEYS  1 warm, then for each article: likes, pv, uv, reads, members
-- ARGV  1 name of the server   2 user id, empty for an anonymous caller
--
-- Returns OK, then for each article: likes, pv, uv, reads, liked (1 or 0; -1 for an anonymous caller)
--         COLD   as in like.lua

-- @include guard
-- @include members

local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return { refused }
end
local user, answer = ARGV[2], { 'OK' }
for i = 2, #KEYS, 5 do
  local likes, pv, uv, reads, members = unpack(KEYS, i, i + 4)
  local numbers = redis.call('MGET', likes, pv, reads, members .. ':n')
  local liked = -1
  if user ~= '' then
    liked = redis.call('SISMEMBER', set_of(members, tonumber(numbers[4] or 1), user), user)
  end
  local n = #answer
  answer[n + 1] = tonumber(numbers[1] or 0)
  answer[n + 2] = tonumber(numbers[2] or 0)
  -- Who has been seen is seen by a view.
  answer[n + 3] = numbers[2] and redis.call('PFCOUNT', uv) or 0
  answer[n + 4] = tonumber(numbers[3] or 0)
  answer[n + 5] = liked
end
return answer
