-- Microseconds since 1970 by this server's clock.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Whether the caller has stopped waiting. A deadline in the server's own time keeps a command that was stuck on its way
-- from taking effect after a later one was acknowledged. No caller waits longer than 2 s: a deadline further ahead was
-- reckoned before this server's clock was set back, and nobody knows whether it has passed. An empty one is none, for
-- tools that nobody waits for.
local FURTHEST_US = 2500000

local function late(now, deadline_ms)
  if deadline_ms == '' then
    return false
  end
  local left = deadline_ms * 1000 - now
  return left < 0 or left > FURTHEST_US
end

-- Why nothing may be done here, or nil. The marker names the server whose data is known to be whole: a restarted,
-- flushed, restored or promoted server has another name, its run id and its replication's, and is fenced until the
-- persister warms it.
local function refusal(warm, server, now, deadline_ms)
  if redis.call('HGET', warm, 'run_id') ~= server then
    return 'COLD'
  end
  if deadline_ms and late(now, deadline_ms) then
    return 'LATE'
  end
end
