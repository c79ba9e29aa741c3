-- Reads the counters of articles, and which kinds a user has on for each. One call asks about articles of all
-- partitions that this server has. On a cluster, Redis permits that to a script that declares no flags. The keys of other
-- partitions than the first are not declared, since the keys that a command names must be of one slot. The script changes
-- no data, but may not declare no-writes, because PFCOUNT may store what it has counted. With any other flags, Redis
-- refuses the whole script where it refuses writes: without enough replicas, or with a disk that fails. Without flags it
-- refuses single commands, and none of these.
--
-- KEYS  1 warm of the first partition
-- ARGS  1 name of the server   2 number of the user, empty for an anonymous caller   3 how many kinds
--       4 part of the key of warm after the partition's tag   5 of pv   6 of uv   7 of reads
--       then for each kind: count, members, then for each article, those of one partition together: tag, number
-- ARGV  1 ARGS, packed
--
-- Returns OK, one text of numbers with a space between them; for each article: pv (-1 if its partition is cold), uv,
--             reads, then for each kind: count, 1 or 0 (on; -1 for an anonymous caller)
--         COLD   as in toggle.lua, if the partitions of all articles are cold
--
-- The answer is one text: most numbers are texts here already, and every layer on the way to the caller then handles
-- one value instead of many.

-- @include members

local ARGS = { cmsgpack.unpack(ARGV[1]) }
local server, user, kinds = ARGS[1], ARGS[2], ARGS[3]
local WARM, PV, UV, READS = unpack(ARGS, 4, 7)
local FIRST_KIND, FIRST_ARTICLE = 8, 8 + 2 * kinds
-- Whether to look up what the user has on. An anonymous caller has no user.
local looks = user ~= ''
-- For each article: how many numbers are read, and how many are answered.
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

-- From `at` on, `numbers` has pv and reads, then for each kind the count and, if there is a user, the number of sets.
local function add_counters(tag, article, numbers, at)
  local pv = numbers[at]
  answer[last + 1] = pv or '0'
  -- Views count the visitors, so without page views there are none.
  answer[last + 2] = pv and redis.call('PFCOUNT', tag .. UV .. article) or '0'
  answer[last + 3] = numbers[at + 1] or '0'
  at = at + 2
  for i = 2, 2 * kinds, 2 do
    local count, on = numbers[at], '-1'
    if looks then
      -- Without a count, nobody has the kind on.
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
