-- The counters of articles of one partition, and which kinds a user has on for each.
--
-- KEYS  1 warm, then for each article: pv, uv, reads, then for each kind: count, members
-- ARGV  1 name of the server   2 number of the user, empty for an anonymous caller   3 how many kinds
--
-- Returns OK, then for each article: pv, uv, reads, then for each kind: count, 1 or 0 (on; -1 for an anonymous caller)
--         COLD   as in toggle.lua

-- @include guard
-- @include members

local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return { refused }
end
local user, kinds, answer = ARGV[2], tonumber(ARGV[3]), { 'OK' }
local width = 3 + 2 * kinds
for first = 2, #KEYS, width do
  local wanted = { KEYS[first], KEYS[first + 2] }
  for i = first + 3, first + width - 1, 2 do
    wanted[#wanted + 1] = KEYS[i]
    wanted[#wanted + 1] = KEYS[i + 1] .. ':n'
  end
  local numbers = redis.call('MGET', unpack(wanted))
  local at = #answer
  answer[at + 1] = tonumber(numbers[1] or 0)
  -- Who has been seen is seen by a view.
  answer[at + 2] = numbers[1] and redis.call('PFCOUNT', KEYS[first + 1]) or 0
  answer[at + 3] = tonumber(numbers[2] or 0)
  for kind = 1, kinds do
    local count, n, on = numbers[1 + 2 * kind], tonumber(numbers[2 + 2 * kind] or 1), -1
    if user ~= '' then
      -- Nobody has it on where there is no count.
      on = count and redis.call('SISMEMBER', set_of(KEYS[first + 2 + 2 * kind], n, user), user) or 0
    end
    answer[at + 2 + 2 * kind] = tonumber(count or 0)
    answer[at + 3 + 2 * kind] = on
  end
end
return answer
