-- Microseconds since 1970 by this server's clock.
local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Whether the caller has stopped waiting. The deadline is by the server's clock, so that a command that was delayed on
-- its way cannot take effect after a later one was acknowledged. No caller waits longer than 2 s. A deadline further
-- ahead was computed before this server's clock was set back, so nobody knows whether it has passed. Tools send an
-- empty deadline, because nobody waits for them.
local FURTHEST_US = 2500000

local function late(now, deadline_ms)
  if deadline_ms == '' then
    return false
  end
  local left = deadline_ms * 1000 - now
  return left < 0 or left > FURTHEST_US
end

-- Returns why the script may do nothing here, or nil. The marker names the server whose data is known to be whole, by
-- its run id and its replication id. A server that was restarted, flushed, restored or promoted is not the one that the
-- marker names: it is refused until the persister warms it.
local function refusal(warm, server, now, deadline_ms)
  if redis.call('HGET', warm, 'run_id') ~= server then
    return 'COLD'
  end
  if deadline_ms and late(now, deadline_ms) then
    return 'LATE'
  end
end
