-- A large set of numbers, such as the users who have a kind on for an article: sets small enough to stay intsets (8 bytes
-- a member, looked up by binary search).
-- It begins with one set; as it grows, one set at a time is split by linear hashing, so no change ever pays for moving
-- more than one set, and a lookup is always in exactly one.
--
--   <members>          set 0
--   <members>:<i>      set i, from 1 to n-1
--   <members>:n        n; absent while it is 1
--
-- The keys of sets past the first depend on n and cannot be declared; they carry the same hash tag as the declared one,
-- which is what Redis Cluster checks.

-- On average per set; a set waiting for its split holds about twice that, below set-max-intset-entries (512).
local PER_SET = 192

-- 24 bits from a decimal number: multiplicative hashing of its last 15 digits, five at a time, so that every product is
-- below 2^51 and exact. The low bits choose the set; they are taken from the middle, which all lower digits reach.
local function hash(id)
  local number = tonumber(string.sub(id, -15))
  local low = number % 100000
  local high = (number - low) / 100000
  local middle = high % 100000
  high = (high - middle) / 100000
  local mixed = (low * 14029467367 + middle * 9576890767 + high * 11400714819) % 4294967296 / 256
  return mixed - mixed % 1
end

-- The greatest power of two that is not above n.
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

-- Of all the sets together.
local function member_count(members, n)
  local count = 0
  for index = 0, n - 1 do
    count = count + redis.call('SCARD', set_key(members, index))
  end
  return count
end

-- Lowers a count by one. At 0 it leaves no key: empty sets are none, and their number goes where all of them are empty.
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

-- Adds set n by moving to it its share of the set it splits from. Returns n + 1. In this order since a server whose slot
-- is being moved ends the script at a key that it has not: whatever is done by then, each member is where it is looked
-- for.
local function split(members, n)
  local power = level(n)
  local from, to, moved = set_key(members, n - power), set_key(members, n), {}
  for _, user in ipairs(redis.call('SMEMBERS', from)) do
    if hash(user) % (power * 2) == n then
      moved[#moved + 1] = user
    end
  end
  -- A few thousand arguments at most fit Lua's stack; a set far past its size is moved in slices.
  local function in_slices(command, key)
    for first = 1, #moved, 1000 do
      redis.call(command, key, unpack(moved, first, math.min(first + 999, #moved)))
    end
  end
  -- What a split that was cut short has left there.
  redis.call('DEL', to)
  in_slices('SADD', to)
  redis.call('SET', members .. ':n', n + 1)
  in_slices('SREM', from)
  return n + 1
end
