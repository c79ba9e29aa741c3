-- Takes a turn that lasts so many ms, unless another has it: 1 and 0 if taken, else 0 and for how long another has it.
local function take_turn(turn, lasts_ms)
  if redis.call('SET', turn, 1, 'NX', 'PX', lasts_ms) then
    return 1, 0
  end
  return 0, math.max(redis.call('PTTL', turn), 0)
end
