-- Takes a turn that lasts so many ms, unless another caller has it. Returns 1 and 0 if this caller has the turn now,
-- otherwise 0 and for how many ms the other has it.
local function take_turn(turn, lasts_ms)
  if redis.call('SET', turn, 1, 'NX', 'PX', lasts_ms) then
    return 1, 0
  end
  return 0, math.max(redis.call('PTTL', turn), 0)
end
