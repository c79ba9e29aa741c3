-- The counters of articles of one partition, and whether a user likes them.
--
-- KEYS  1 warm, then for each article: likes, pv, uv, reads, members
-- ARGV  1 run id   2 user id, empty for an anonymous caller
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
  local liked = -1
  if user ~= '' then
    liked = redis.call('SISMEMBER', set_of(members, set_count(members), user), user)
  end
  answer[#answer + 1] = tonumber(redis.call('GET', likes) or 0)
  answer[#answer + 1] = tonumber(redis.call('GET', pv) or 0)
  answer[#answer + 1] = redis.call('PFCOUNT', uv)
  answer[#answer + 1] = tonumber(redis.call('GET', reads) or 0)
  answer[#answer + 1] = liked
end
return answer
