-- Generic cell rate algorithm. A key holds the theoretical arrival time (TAT, microseconds) of the next request, so
-- that a burst passes at once and after it one request an interval. All limits are checked before any is charged, so a
-- refused request costs nothing. Each limit is {key, burst, interval in microseconds}; `arrivals` are the values of
-- their keys.
-- Returns true, requests left of the first limit, ms until its burst is whole again;
-- or false, ms to wait, the number of the limit that refuses.
local function take(limits, arrivals, now)
  local wait, by = 0, 0
  for i, limit in ipairs(limits) do
    local most, arrival = limit[2] * limit[3], tonumber(arrivals[i] or now)
    -- If the arrival is more than a whole burst ahead, the clock was set back or the limit was narrowed: begin again.
    if arrival < now or arrival - now > most then
      arrival = now
    end
    arrivals[i] = arrival + limit[3]
    local missing = arrivals[i] - now - most
    if missing > wait then
      wait, by = missing, i
    end
  end
  if by > 0 then
    return false, math.ceil(wait / 1000), by
  end
  -- Neither the append-only file nor a replica needs the limits. A server that starts without them lets a burst through
  -- again.
  redis.set_repl(redis.REPL_NONE)
  for i, limit in ipairs(limits) do
    local ttl_ms = (arrivals[i] - now + 999) / 1000
    redis.call('SET', limit[1], string.format('%d', arrivals[i]), 'PX', string.format('%d', ttl_ms))
  end
  redis.set_repl(redis.REPL_ALL)
  local first, ahead = limits[1], arrivals[1] - now
  return true, math.floor(first[2] - ahead / first[3]), math.ceil(ahead / 1000)
end
