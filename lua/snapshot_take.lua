-- Lists articles whose PV, UV or reads changed since they were last saved. They stay in `saving` until
-- snapshot_done.lua removes them, so that an article whose saving was cut short is listed again.
--
-- KEYS  1 warm   2 changed   3 saving
-- ARGV  1 name of the server   2 how many at most
--
-- Returns OK, then article ids
--         COLD   as in toggle.lua

-- @include guard

local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return { refused }
end
if redis.call('EXISTS', KEYS[3]) == 0 then
  if redis.call('EXISTS', KEYS[2]) == 0 then
    return { 'OK' }
  end
  redis.call('RENAME', KEYS[2], KEYS[3])
end
local articles = redis.call('SRANDMEMBER', KEYS[3], ARGV[2])
return { 'OK', unpack(articles) }
