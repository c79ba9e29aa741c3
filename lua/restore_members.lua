-- Restores from MySQL some of the users who have a kind on for an article, and raises its count by them. The partition is
-- fenced for this rebuild.
--
-- KEYS  1 warm   2 count   3 members
-- ARGV  1 id of the rebuild   2 about how many users the article has in all, the same in each call   3 and on: numbers of users
--
-- Returns OK
--         STALE   the partition is not fenced for this rebuild

-- @include members

if redis.call('HGET', KEYS[1], 'rebuild') ~= ARGV[1] then
  return { 'STALE' }
end
local members = KEYS[3]
local n = math.max(1, math.ceil(tonumber(ARGV[2]) / PER_SET))
if n > 1 then
  redis.call('SET', members .. ':n', n)
end
local sets, added = {}, 0
for i = 3, #ARGV do
  local key = set_of(members, n, ARGV[i])
  sets[key] = sets[key] or {}
  table.insert(sets[key], ARGV[i])
end
for key, users in pairs(sets) do
  for first = 1, #users, 1000 do
    added = added + redis.call('SADD', key, unpack(users, first, math.min(first + 999, #users)))
  end
end
if added > 0 then
  redis.call('INCRBY', KEYS[2], added)
end
return { 'OK' }
