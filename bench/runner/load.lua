-- What wrk sends: the requests of a file, over and over. A line is a method, a path and a token, or - for none.
--
-- wrk … -s load.lua <url> -- <file> [<requests a second>]
--
-- Prints one line of JSON at the end. There is no response() on purpose: with it wrk would make Lua strings of every answer.

local requests, sent, due = {}, 0, 0
local interval_ms, began_ms

local ffi = require('ffi')
ffi.cdef [[
  typedef struct { long seconds, nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *time);
]]
local MONOTONIC = 1
local time = ffi.new('bench_time')

local function now_ms()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) * 1000 + tonumber(time.nanoseconds) / 1e6
end

function init(args)
  for line in io.lines(args[1]) do
    local method, path, token = line:match('^(%S+) (%S+) (%S+)$')
    local headers = {}
    if token ~= '-' then
      headers['Authorization'] = 'Bearer ' .. token
    end
    if method == 'PUT' or method == 'POST' then
      -- As browsers do.
      headers['Content-Length'] = '0'
    end
    requests[#requests + 1] = wrk.format(method, path, headers)
  end
  if args[2] then
    interval_ms = 1000 / tonumber(args[2])
    -- Each request is due at a time of its own, however long those before it took.
    function delay()
      began_ms = began_ms or now_ms()
      due = due + 1
      return math.max(0, began_ms + due * interval_ms - now_ms())
    end
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"p50_ms":%f,"p99_ms":%f}',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
