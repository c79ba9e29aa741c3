-- Restores from MySQL some of the users who have a kind on for an article. The partition is fenced for this rebuild.
--
-- KEYS  1 warm   2 count   3 members
-- ARGV  1 id of the rebuild   2 how many users the article has in all   3 and on: numbers of users
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild

-- @include members

if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then
  return { 'STALE' }
end
local members, total = KEYS[3], tonumber(ARGV[2])
local n = math.max(1, math.ceil(total / PER_SET))
if n > 1 then
  redis.call('SET', members .. ':n', n)
end
local sets = {}
for i = 3, #ARGV do
  local key = set_of(members, n, ARGV[i])
  sets[key] = sets[key] or {}
  table.insert(sets[key], ARGV[i])
end
for key, users in pairs(sets) do
  for first = 1, #users, 1000 do
    redis.call('SADD', key, unpack(users, first, math.min(first + 999, #users)))
  end
end
redis.call('SET', KEYS[2], total)
return { 'OK' }
