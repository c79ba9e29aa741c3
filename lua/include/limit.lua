-- Generic cell rate algorithm: a key holds the theoretical arrival time (TAT, microseconds) of the next request, so
-- that a burst passes at once and after it one request an interval. Every limit is looked at before any is charged, so
-- a refused request costs nothing. Each limit is {key, burst, interval in microseconds}.
-- Returns true, requests left of the first limit, ms until its burst is whole again;
-- or false, ms to wait, the number of the limit that says so.
local function take(limits, now)
  local arrivals, wait, by, left, reset = {}, 0, 0, 0, 0
  for i, limit in ipairs(limits) do
    local key, burst, interval = limit[1], tonumber(limit[2]), tonumber(limit[3])
    local arrival = tonumber(redis.call('GET', key) or now)
    -- More than a whole burst ahead means that the clock was set back since, or the limit narrowed: begin anew.
    if arrival < now or arrival - now > burst * interval then
      arrival = now
    end
    arrival = arrival + interval
    arrivals[i] = arrival
    local room = burst * interval - (arrival - now)
    if -room > wait then
      wait, by = -room, i
    end
    if i == 1 then
      left, reset = math.floor(room / interval), arrival - now
    end
  end
  if by > 0 then
    return false, math.ceil(wait / 1000), by
  end
  for i, limit in ipairs(limits) do
    local ttl_ms = math.ceil((arrivals[i] - now) / 1000)
    redis.call('SET', limit[1], string.format('%.0f', arrivals[i]), 'PX', ttl_ms)
  end
  return true, left, math.ceil(reset / 1000)
end
