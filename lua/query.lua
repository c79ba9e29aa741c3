#!lua flags=allow-oom,allow-cross-slot-keys
-- The counters of articles, and which kinds a user has on for each. The articles may be of any partitions that this server
-- has: one call asks about all of them. On a cluster a flag above permits that; the keys of other partitions than the first
-- are not declared, since the keys that a command names must be of one slot. It writes nothing, but PFCOUNT counts as a
-- write, since it may keep what it has counted.
--
-- KEYS  1 warm of the first partition
-- ARGV  1 name of the server   2 number of the user, empty for an anonymous caller   3 how many kinds
--       4 what follows the partition's tag in the key of warm   5 pv   6 uv   7 reads
--       then for each kind: count, members, then for each article, those of one partition together: tag, number
--
-- Returns OK, then for each article: pv (-1 where its partition is cold), uv, reads, then for each kind: count,
--             1 or 0 (on; -1 for an anonymous caller)
--         COLD   as in toggle.lua, where all of their partitions are

-- @include members

local server, user, kinds = ARGV[1], ARGV[2], tonumber(ARGV[3])
local WARM, PV, UV, READS = unpack(ARGV, 4, 7)
local FIRST_KIND, FIRST_ARTICLE = 8, 8 + 2 * kinds

local answer = { 'OK' }
local function add(number)
  answer[#answer + 1] = tonumber(number or 0)
end

local function add_cold()
  add(-1)
  for _ = 1, 2 + 2 * kinds do
    add(0)
  end
end

-- `numbers` are pv, reads, then for each kind count and number of sets, from `at` on.
local function add_counters(tag, article, numbers, at)
  local pv = numbers[at]
  add(pv)
  -- Who has been seen is seen by a view.
  add(pv and redis.call('PFCOUNT', tag .. UV .. article))
  add(numbers[at + 1])
  for kind = 0, kinds - 1 do
    local count, on = numbers[at + 2 + 2 * kind], -1
    if user ~= '' then
      -- Nobody has it on where there is no count.
      local members = tag .. ARGV[FIRST_KIND + 1 + 2 * kind] .. article
      local n = tonumber(numbers[at + 3 + 2 * kind] or 1)
      on = count and redis.call('SISMEMBER', set_of(members, n, user), user) or 0
    end
    add(count)
    add(on)
  end
end

local first, any_warm = FIRST_ARTICLE, false
while first < #ARGV do
  -- The articles of one partition.
  local tag, past = ARGV[first], first
  local wanted = {}
  while ARGV[past] == tag do
    local article = ARGV[past + 1]
    wanted[#wanted + 1] = tag .. PV .. article
    wanted[#wanted + 1] = tag .. READS .. article
    for kind = FIRST_KIND, FIRST_ARTICLE - 1, 2 do
      wanted[#wanted + 1] = tag .. ARGV[kind] .. article
      wanted[#wanted + 1] = tag .. ARGV[kind + 1] .. article .. ':n'
    end
    past = past + 2
  end
  local is_warm = redis.call('HGET', tag .. WARM, 'run_id') == server
  any_warm = any_warm or is_warm
  local numbers = is_warm and redis.call('MGET', unpack(wanted))
  for i = first, past - 1, 2 do
    if is_warm then
      add_counters(tag, ARGV[i + 1], numbers, 1 + (i - first) / 2 * (2 + 2 * kinds))
    else
      add_cold()
    end
  end
  first = past
end
return any_warm and answer or { 'COLD' }
