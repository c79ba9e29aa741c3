#!lua flags=allow-oom,allow-cross-slot-keys
-- The counters of articles, and which kinds a user has on for each. The articles may be of any partitions that this server
-- has: one call asks about all of them. On a cluster a flag above permits that; the keys of other partitions than the first
-- are not declared, since the keys that a command names must be of one slot. It writes nothing, but PFCOUNT counts as a
-- write, since it may keep what it has counted.
--
-- KEYS  1 warm of the first partition
-- ARGS  1 name of the server   2 number of the user, empty for an anonymous caller   3 how many kinds
--       4 what follows the partition's tag in the key of warm   5 pv   6 uv   7 reads
--       then for each kind: count, members, then for each article, those of one partition together: tag, number
-- ARGV  1 ARGS, packed
--
-- Returns OK, one text of numbers with a space between them; for each article: pv (-1 where its partition is cold), uv,
--             reads, then for each kind: count, 1 or 0 (on; -1 for an anonymous caller)
--         COLD   as in toggle.lua, where all of their partitions are
--
-- One text, since most of them are texts here already, and whatever is between handles one value once.

-- @include members

local ARGS = { cmsgpack.unpack(ARGV[1]) }
local server, user, kinds = ARGS[1], ARGS[2], ARGS[3]
local WARM, PV, UV, READS = unpack(ARGS, 4, 7)
local FIRST_KIND, FIRST_ARTICLE = 8, 8 + 2 * kinds
-- Whose sets are looked into, nobody's for an anonymous caller.
local looks = user ~= ''
-- Of an article: numbers that are asked for, and numbers that are answered.
local OF_KIND = looks and 2 or 1
local ASKED, ANSWERED = 2 + OF_KIND * kinds, 3 + 2 * kinds

local answer, last = {}, 0

local function add_cold()
  answer[last + 1] = '-1'
  for i = last + 2, last + ANSWERED do
    answer[i] = '0'
  end
  last = last + ANSWERED
end

-- `numbers` are pv, reads, then for each kind count and, for a caller, number of sets, from `at` on.
local function add_counters(tag, article, numbers, at)
  local pv = numbers[at]
  answer[last + 1] = pv or '0'
  -- Who has been seen is seen by a view.
  answer[last + 2] = pv and redis.call('PFCOUNT', tag .. UV .. article) or '0'
  answer[last + 3] = numbers[at + 1] or '0'
  at = at + 2
  for i = 2, 2 * kinds, 2 do
    local count, on = numbers[at], '-1'
    if looks then
      -- Nobody has it on where there is no count.
      local members = tag .. ARGS[FIRST_KIND + i - 1] .. article
      on = count and redis.call('SISMEMBER', set_of(members, tonumber(numbers[at + 1] or 1), user), user) or '0'
    end
    answer[last + i + 2] = count or '0'
    answer[last + i + 3] = on
    at = at + OF_KIND
  end
  last = last + ANSWERED
end

local first, any_warm = FIRST_ARTICLE, false
while first < #ARGS do
  -- The articles of one partition.
  local tag, past = ARGS[first], first
  local wanted, size = {}, 0
  while ARGS[past] == tag do
    local article = ARGS[past + 1]
    wanted[size + 1] = tag .. PV .. article
    wanted[size + 2] = tag .. READS .. article
    size = size + 2
    for kind = FIRST_KIND, FIRST_ARTICLE - 1, 2 do
      wanted[size + 1] = tag .. ARGS[kind] .. article
      if looks then
        wanted[size + 2] = tag .. ARGS[kind + 1] .. article .. ':n'
      end
      size = size + OF_KIND
    end
    past = past + 2
  end
  if redis.call('HGET', tag .. WARM, 'run_id') == server then
    any_warm = true
    local numbers = redis.call('MGET', unpack(wanted))
    for i = first, past - 1, 2 do
      add_counters(tag, ARGS[i + 1], numbers, 1 + (i - first) / 2 * ASKED)
    end
  else
    for _ = first, past - 1, 2 do
      add_cold()
    end
  end
  first = past
end
return any_warm and { 'OK', table.concat(answer, ' ') } or { 'COLD' }
