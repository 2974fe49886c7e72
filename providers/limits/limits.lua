-- The counts behind rate limits: all that a process wants at the same moment is one call of this script.
--
-- What may be asked for in a minute is counted by GCRA: one number for each count, the moment at which nothing of it
-- would be used any more (us since EPOCH). Taking moves it on by a minute's n-th part each, and it may lie at most a
-- minute ahead: the whole minute's worth may go at once, and comes back evenly. Streams are a zset, member -> when its
-- lease ends (ms).
--
-- ARGV: the lease of a stream in ms, then the operations, each a letter and its parts:
--   A counts streams (key limit need spare)* (key limit member)*   admit, all or nothing
--   S key limit amount      more was used than was taken, or less (below zero)
--   K key member            keep a stream; it comes back if it was lost
--   R key member            release a stream
-- `spare` is asked for calls to come; of what is left a sixteenth at most is given, so that little lies idle elsewhere.
-- A answers {0, 0, (left, spare)*}, or refused {which count or stream, us to wait, (left, 0)*}; the others 1.

local MINUTE = 60000000
local MOST_AHEAD = 61 * MINUTE  -- who has used far more than a minute's worth waits an hour at most
local SLACK = 1  -- us, for fractions
local EPOCH = 1700000000
local clock = redis.call('TIME')
local now = (clock[1] - EPOCH) * 1000000 + clock[2]
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local lease = tonumber(ARGV[1])

local function free_at(key)
  return math.max(tonumber(redis.call('GET', key) or now), now)
end

local function store(key, at)
  if at <= now then
    redis.call('DEL', key)
  else
    redis.call('SET', key, string.format('%.4f', at), 'PX', math.ceil((at - now) / 1000))
  end
end

local function left_of(limit, at)
  return math.max(0, math.floor((now + MINUTE + SLACK - at) * limit / MINUTE))
end

local function is_full(key, limit)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now_ms)
  return redis.call('ZCARD', key) >= limit
end

local function hold(key, member)
  redis.call('ZADD', key, now_ms + lease, member)
  redis.call('PEXPIRE', key, lease * 2)
end

local act = {}

function act.A(at)
  local counts, streams = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local first = at + 2
  local first_stream = first + counts * 4
  local free, answer = {}, {0, 0}
  for i = 1, counts do
    local place = first + (i - 1) * 4
    local limit, need = tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
    free[i] = free_at(ARGV[place])
    local wait = free[i] + need * MINUTE / limit - now - MINUTE
    if wait > SLACK and wait > answer[2] then
      answer[1], answer[2] = i, math.ceil(wait)
    end
    answer[i * 2 + 1], answer[i * 2 + 2] = left_of(limit, free[i]), 0
  end
  for i = 1, streams do
    local place = first_stream + (i - 1) * 3
    if answer[1] == 0 and is_full(ARGV[place], tonumber(ARGV[place + 1])) then answer[1] = counts + i end
  end
  local after = first_stream + streams * 3
  if answer[1] > 0 then return answer, after end
  for i = 1, counts do
    local place = first + (i - 1) * 4
    local limit, need, spare = tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2]), tonumber(ARGV[place + 3])
    local taken = free[i] + need * MINUTE / limit
    spare = math.min(spare, math.floor(left_of(limit, taken) / 16))
    taken = taken + spare * MINUTE / limit
    store(ARGV[place], taken)
    answer[i * 2 + 1], answer[i * 2 + 2] = left_of(limit, taken), spare
  end
  for i = 1, streams do
    local place = first_stream + (i - 1) * 3
    hold(ARGV[place], ARGV[place + 2])
  end
  return answer, after
end

function act.S(at)
  local key, limit, amount = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  store(key, math.min(free_at(key) + amount * MINUTE / limit, now + MOST_AHEAD))
  return 1, at + 3
end

function act.K(at)
  hold(ARGV[at], ARGV[at + 1])
  return 1, at + 2
end

function act.R(at)
  redis.call('ZREM', ARGV[at], ARGV[at + 1])
  return 1, at + 2
end

local results, at = {}, 2
while at <= #ARGV do
  local result
  result, at = act[ARGV[at]](at + 1)
  results[#results + 1] = result
end
return results
