-- Removes an article from those to be saved, because MySQL has its counters. If a counter changed while they were
-- saved, the article is marked as changed again: another snapshot may already have listed it for that change, and this
-- script removes the entry.
--
-- KEYS  1 saving   2 changed   3 pv   4 reads
-- ARGV  1 article id   2 pv   3 reads, as they were saved
--
-- Returns OK, 1, or 0 if the article is to be saved again

local saving, changed, pv, reads = unpack(KEYS)

-- A counter that is not there was lost with its server, so nothing is left to save.
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
