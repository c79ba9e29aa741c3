-- A large set of numbers, such as the users who have a kind on for an article. It consists of sets that are small
-- enough to stay intsets (8 bytes a member, looked up by binary search). It begins with one set. As it grows, linear
-- hashing splits one set at a time. No change ever moves the members of more than one set, and a lookup is always in
-- exactly one set.
--
--   <members>          set 0
--   <members>:<i>      set i, from 1 to n-1
--   <members>:n        n; absent while it is 1
--
-- The keys of the sets after the first depend on n, so they cannot be declared. They have the hash tag of the declared
-- key, and the tag is what Redis Cluster checks.

-- The average size of a set. A set that waits for its split has about twice as many members, which is below
-- set-max-intset-entries (512).
local PER_SET = 192

-- Returns 24 bits of a decimal number, by multiplicative hashing of its last 15 digits. It takes five digits at a time,
-- so that every product is below 2^51 and exact. The low bits of the result choose the set. They come from the middle
-- of the sum, which all lower digits affect.
local function hash(id)
  local number = tonumber(string.sub(id, -15))
  local low = number % 100000
  local high = (number - low) / 100000
  local middle = high % 100000
  high = (high - middle) / 100000
  local mixed = (low * 14029467367 + middle * 9576890767 + high * 11400714819) % 4294967296 / 256
  return mixed - mixed % 1
end

-- Returns the greatest power of two that is not above n.
local function level(n)
  local power = 1
  while power * 2 <= n do
    power = power * 2
  end
  return power
end

local function set_key(members, index)
  return index == 0 and members or members .. ':' .. index
end

local function set_of(members, n, user)
  if n == 1 then
    return members
  end
  local power, hashed = level(n), hash(user)
  local index = hashed % (power * 2)
  return set_key(members, index < n and index or hashed % power)
end

local function set_count(members)
  return tonumber(redis.call('GET', members .. ':n') or 1)
end

-- Returns the number of members of all sets together.
local function member_count(members, n)
  local count = 0
  for index = 0, n - 1 do
    count = count + redis.call('SCARD', set_key(members, index))
  end
  return count
end

-- Lowers a count by one. A count of 0 has no key. Redis removes empty sets by itself; once all sets are empty, the
-- number of sets is removed too.
local function lower(total, members, n)
  local count = redis.call('DECR', total)
  if count > 0 then
    return count
  end
  redis.call('DEL', total)
  if n > 1 and member_count(members, n) == 0 then
    redis.call('DEL', members .. ':n')
  end
  return 0
end

-- Adds set n: moves to it its share of the set that it splits from. Returns n + 1. The order matters, because a server
-- whose slot is being moved ends the script at a key that it does not have. Wherever the script ends, each member is
-- where a lookup expects it.
local function split(members, n)
  local power = level(n)
  local from, to, moved = set_key(members, n - power), set_key(members, n), {}
  for _, user in ipairs(redis.call('SMEMBERS', from)) do
    if hash(user) % (power * 2) == n then
      moved[#moved + 1] = user
    end
  end
  -- Lua's stack has room for a few thousand arguments, so a set that is far above its size is moved in slices.
  local function in_slices(command, key)
    for first = 1, #moved, 1000 do
      redis.call(command, key, unpack(moved, first, math.min(first + 999, #moved)))
    end
  end
  -- Removes what an earlier split left there when it was cut short.
  redis.call('DEL', to)
  in_slices('SADD', to)
  redis.call('SET', members .. ':n', n + 1)
  in_slices('SREM', from)
  return n + 1
end
