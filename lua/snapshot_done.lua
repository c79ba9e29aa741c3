-- Forgets that an article's counters are to be saved, since MySQL has them; unless they changed while they were saved. A
-- snapshot beside this one may have named that change already, and its name is what is taken away here.
--
-- KEYS  1 saving   2 changed   3 pv   4 reads
-- ARGV  1 article id   2 pv   3 reads, as they were saved
--
-- Returns OK, 1, or 0 where it is to be saved again

local saving, changed, pv, reads = unpack(KEYS)

-- One that is not there was lost with its server, and is nothing to be saved.
local function moved(key, saved)
  local count = redis.call('GET', key)
  return count and count ~= saved
end

redis.call('SREM', saving, ARGV[1])
if moved(pv, ARGV[2]) or moved(reads, ARGV[3]) then
  redis.call('SADD', changed, ARGV[1])
  return { 'OK', 0 }
end
return { 'OK', 1 }
