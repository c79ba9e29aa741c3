-- Releases held pairs. Another caller's hold of a pair stays.
--
-- KEYS  1 held
-- ARGV  1 when the hold expires, as hold.lua answered   2 and on: pairs, as kind:user:article
--
-- Returns OK, how many were released

local released = 0
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[1] then
    released = released + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return { 'OK', released }
