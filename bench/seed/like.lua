-- KEYS[1] = article like count key
-- KEYS[2] = user like status key
-- ARGV[1] = "1" for like, "0" for unlike
local status = redis.call("GET", KEYS[2])
if ARGV[1] == "1" then
  if status ~= "1" then
    redis.call("SET", KEYS[2], 1)
    return redis.call("INCR", KEYS[1])
  end
else
  if status == "1" then
    redis.call("DEL", KEYS[2])
    local cnt = tonumber(redis.call("GET", KEYS[1]) or "0")
    if cnt > 0 then
      return redis.call("DECR", KEYS[1])
    end
  end
end
return redis.call("GET", KEYS[1])
