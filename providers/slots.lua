-- The arbiter: who holds a slot of an endpoint, who waits for one, and who is next. All that a process has to say at one
-- moment is one call of this script.
--
-- The order is deficit round robin between tenants, in seconds of a slot. A round gives every tenant that waits its
-- weight's share, enough for each of them to start something; within the round interactive goes before normal before
-- batch, then who has used least of its share. A start is charged what its model usually takes, and corrected by what
-- it took when the slot comes back. A tenant's calls wait singly; its queued jobs stand as one entry for each line
-- (jobs that are alike), with a count, so that ten thousand of them weigh as much as one.
--
-- For an endpoint e (keys below ARGV[1]):
--   e            zset  holder -> when its lease ends (ms)      e:of:<tenant>  zset  the same, of a tenant with a cap
--   e:line       set   tenants that wait                       e:alive        zset  call, or jobs|tenant|line -> lease end
--   e:calls:<t>  zset  call -> when it came (us)               e:cards        hash  call -> its card
--   e:jobs:<t>   hash  line -> its card                        e:charged      hash  holder -> tenant|seconds charged
--   e:flows      hash  tenant -> deficit|credited|weight       e:round        hash  total, quantum (s), since (ms)
--   slots:cost   hash  model, or endpoint for models not met yet -> seconds that a slot is usually held
--   slots:room:<process>  how many jobs a worker may still start: ordinary|suspect|counted
-- `own` is the zset of a provider's own figure at a shared box, or empty.
--
-- ARGV: prefix, lease in ms, the calling process, its room ('' where it runs no jobs), then one word for each operation:
--   letter|member|endpoint|capacity|own|own limit|tenant|weight|cap|model|most that may wait (empty: none)|more
--   T take      1 held now, 2 waiting, 0 not free (try only), -n full, n being the starts that come first
--   R release   a slot, or a place in the line; more: ms it was used/by how many calls
--   K keep      renew a held slot; it comes back if the ledger lost it
--   W wait on   1 held now, 2 still waiting, 0 unknown here
--   J jobs      member is a line; more: class/suspicion/ms since the oldest came/count (0: none waits any more)
--   D dispatch  more: how many jobs the caller may be given here
-- Answers: {one for each operation}, {member|endpoint|line for each waiter of the caller that holds a slot now}. Other
-- processes hear of theirs on slots:granted:<process>. The channel slots:wanted says at which endpoint somebody waits, so
-- that processes give back what they keep for their own next call.

local prefix, lease, caller, room_word = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local clock = redis.call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)
local KEEP_KEYS_MS = lease * 4
local JOBS_LEASE_MS = 5000    -- an entry that no worker renews is gone after that
local ROOM_MS = 3000
local AGEING_MS = 30000       -- without a start for so long: one class up
local MOST_DEBT = 60          -- seconds for each weight; what is owed beyond is forgiven
local UNKNOWN_COST, LEAST_COST, NEW_SHARE = 1, 0.001, 0.1
local SAID_MS = 500
local NEARLY = 1e-6
local TENANTS_REMEMBERED = 1000

local endpoints, touched = {}, {}
local granted, holds = {}, {}   -- for the caller; and who got a slot in this call
local rooms, costs, full = {}, {}, {}

local function split(text)
  local parts = {}
  for part in string.gmatch(text .. '|', '([^|]*)|') do parts[#parts + 1] = part end
  return parts
end

local function outlive(key) redis.call('PEXPIRE', key, KEEP_KEYS_MS) end

-- --- Slots ---
local function has_room(key, limit)
  if full[key] then return false end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if redis.call('ZCARD', key) < tonumber(limit) then return true end
  full[key] = true
  return false
end

local function lend(key, member)
  redis.call('ZADD', key, now + lease, member)
  outlive(key)
  redis.call('SADD', prefix .. 'slots', key)  -- where a starting worker looks for what gone processes hold
end

local function cap_key(e, tenant) return e.key .. ':of:' .. tenant end

local function fits(e, card)
  return (card.own == '' or has_room(prefix .. card.own, card.limit))
    and (card.cap == '' or has_room(cap_key(e, card.tenant), card.cap))
end

local function hold(e, member, card)
  lend(e.key, member)
  if card.own ~= '' then lend(prefix .. card.own, member) end
  if card.cap ~= '' then lend(cap_key(e, card.tenant), member) end
end

local function let_go(e, member, card)
  redis.call('ZREM', e.key, member)
  if card.own ~= '' then redis.call('ZREM', prefix .. card.own, member); full[prefix .. card.own] = nil end
  if card.cap ~= '' then
    redis.call('ZREM', cap_key(e, card.tenant), member)
    full[cap_key(e, card.tenant)] = nil
  end
end

local function free_slots(e)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', e.key, '-inf', now)) do
    redis.call('ZREM', e.key, gone)
    redis.call('HDEL', e.key .. ':charged', gone)
  end
  return e.capacity - redis.call('ZCARD', e.key)
end

-- --- What a start costs ---
local function known_cost(name)
  return tonumber(redis.call('HGET', prefix .. 'slots:cost', name) or nil)
end

local function cost_of(e, model)
  if not costs[model] then
    costs[model] = math.max(LEAST_COST, known_cost(model) or known_cost(e.name) or UNKNOWN_COST)
  end
  return costs[model]
end

local function learn(name, seconds)
  local known = known_cost(name)
  local usual = known and (known + (seconds - known) * NEW_SHARE) or seconds
  redis.call('HSET', prefix .. 'slots:cost', name, string.format('%.4f', usual))
  costs[name] = nil
end

-- --- Endpoints, and tenants there ---
local function at(op)
  local e = endpoints[op.endpoint]
  if not e then
    e = {key = prefix .. 'slots:' .. op.endpoint, name = op.endpoint, flows = {}}
    e.has_line = redis.call('EXISTS', e.key .. ':line') == 1
    endpoints[op.endpoint] = e
    touched[#touched + 1] = e
  end
  e.capacity = tonumber(op.capacity)
  return e
end

local function round_of(e)
  if not e.total then
    local known = redis.call('HMGET', e.key .. ':round', 'total', 'quantum', 'since')
    e.total, e.quantum = tonumber(known[1] or 0), tonumber(known[2] or 0)
    e.since = tonumber(known[3] or now)
  end
  return e
end

-- What a tenant may still start in this round. Who was away gets one round's share at most.
local function flow_of(e, tenant, weight)
  local flow = e.flows[tenant]
  if not flow then
    round_of(e)
    local word = redis.call('HGET', e.key .. ':flows', tenant)
    if word then
      local parts = split(word)
      flow = {deficit = tonumber(parts[1]), credited = tonumber(parts[2]), weight = tonumber(parts[3])}
    else
      flow = {deficit = 0, credited = e.total - e.quantum, weight = tonumber(weight or 1)}
    end
    local share = flow.weight * e.quantum
    if flow.credited < e.total then
      local due = flow.deficit + flow.weight * (e.total - flow.credited)
      flow.deficit, flow.credited = math.min(due, math.max(flow.deficit, share)), e.total
    end
    e.flows[tenant] = flow
  end
  if weight then flow.weight = tonumber(weight) end
  return flow
end

local function charge(e, tenant, seconds)
  local flow = flow_of(e, tenant)
  flow.deficit = math.max(flow.deficit - seconds, -MOST_DEBT * flow.weight)
end

local function write_flows(e)
  if not e.total or not next(e.flows) then return end
  local key = e.key .. ':flows'
  for tenant, flow in pairs(e.flows) do
    redis.call('HSET', key, tenant, string.format('%.6f|%.6f|%g', flow.deficit, flow.credited, flow.weight))
  end
  redis.call('HSET', e.key .. ':round', 'total', string.format('%.6f', e.total),
    'quantum', string.format('%.6f', e.quantum), 'since', e.since)
  if redis.call('HLEN', key) > TENANTS_REMEMBERED then
    for _, tenant in ipairs(redis.call('HKEYS', key)) do
      if redis.call('SISMEMBER', e.key .. ':line', tenant) == 0 then redis.call('HDEL', key, tenant) end
    end
  end
  outlive(key)
  outlive(e.key .. ':round')
end

-- --- The line ---
local function stand_in_line(e, tenant, weight)
  if not e.has_line then
    round_of(e)
    e.since, e.has_line = now, true
  end
  flow_of(e, tenant, weight)
  redis.call('SADD', e.key .. ':line', tenant)
  for _, part in ipairs({':line', ':alive', ':calls:' .. tenant, ':cards', ':jobs:' .. tenant}) do outlive(e.key .. part) end
end

local function leave_if_done(e, tenant)
  if redis.call('EXISTS', e.key .. ':calls:' .. tenant, e.key .. ':jobs:' .. tenant) == 0 then
    redis.call('SREM', e.key .. ':line', tenant)
    e.has_line = redis.call('EXISTS', e.key .. ':line') == 1
  end
end

local function call_card(member, word)
  local parts = split(word)
  return {member = member, tenant = parts[1], own = parts[2], limit = parts[3], cap = parts[4], model = parts[5],
    process = parts[6], class = 0}
end

local function join_calls(e, op, index)
  redis.call('ZADD', e.key .. ':calls:' .. op.tenant, now_us + index, op.member)
  redis.call('ZADD', e.key .. ':alive', now + lease, op.member)
  redis.call('HSET', e.key .. ':cards', op.member,
    table.concat({op.tenant, op.own, op.limit, op.cap, op.model, caller}, '|'))
  stand_in_line(e, op.tenant, op.weight)
end

local function leave_calls(e, member)
  local word = redis.call('HGET', e.key .. ':cards', member)
  if not word then return false end
  local tenant = split(word)[1]
  redis.call('HDEL', e.key .. ':cards', member)
  redis.call('ZREM', e.key .. ':calls:' .. tenant, member)
  redis.call('ZREM', e.key .. ':alive', member)
  leave_if_done(e, tenant)
  return true
end

local function leave_jobs(e, tenant, line)
  redis.call('HDEL', e.key .. ':jobs:' .. tenant, line)
  redis.call('ZREM', e.key .. ':alive', 'jobs|' .. tenant .. '|' .. line)
  leave_if_done(e, tenant)
end

local function jobs_card(line, tenant, word)
  local parts = split(word)
  return {line = line, tenant = tenant, own = parts[1], limit = parts[2], cap = parts[3], model = parts[4],
    process = parts[5], class = tonumber(parts[6]), kind = tonumber(parts[7]), since = tonumber(parts[8]),
    served = tonumber(parts[9]), count = tonumber(parts[10])}
end

local function write_jobs_card(e, card)
  redis.call('HSET', e.key .. ':jobs:' .. card.tenant, card.line, table.concat({card.own, card.limit, card.cap,
    card.model, card.process, card.class, card.kind, card.since, card.served, card.count}, '|'))
end

local function forget_the_gone(e)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', e.key .. ':alive', '-inf', now)) do
    local tenant, line = string.match(gone, '^jobs|([^|]*)|(.*)$')
    if tenant then leave_jobs(e, tenant, line) else leave_calls(e, gone) end
  end
end

-- --- Room of workers ---
local function room_of(process)
  if not rooms[process] then
    local word = process == caller and room_word or redis.call('GET', prefix .. 'slots:room:' .. process) or ''
    local parts = split(word)
    rooms[process] = {tonumber(parts[1]) or 0, tonumber(parts[2]) or 0, tonumber(parts[3]) or 0}
  end
  return rooms[process]
end

local function write_room(process, ...)
  redis.call('SET', prefix .. 'slots:room:' .. process, table.concat(room_of(process), '|'), ...)
end

local function may_be_given(e, card)
  if card.count <= 0 or room_of(card.process)[card.kind] <= 0 then return false end
  return card.process ~= caller or not e.share or e.share > 0
end

-- --- Who is next ---
local function first_call(e, tenant)
  local key = e.key .. ':calls:' .. tenant
  for page = 0, 1 do  -- nearly always the first one fits
    local members = redis.call('ZRANGE', key, page, page == 0 and 0 or -1, 'WITHSCORES')
    for i = 1, #members, 2 do
      local card = call_card(members[i], redis.call('HGET', e.key .. ':cards', members[i]) or '||||||')
      card.since, card.rank = tonumber(members[i + 1]) / 1000, 0
      if fits(e, card) then return card end
    end
    if #members == 0 then return nil end
  end
end

local function goes_before(one, other)
  if one.rank ~= other.rank then return one.rank < other.rank end
  return one.since < other.since
end

local function head_of(e, tenant)
  local best = first_call(e, tenant)
  local entries = redis.call('HGETALL', e.key .. ':jobs:' .. tenant)
  for i = 1, #entries, 2 do
    local card = jobs_card(entries[i], tenant, entries[i + 1])
    card.rank = math.max(0, card.class - math.floor((now - math.max(card.since, card.served)) / AGEING_MS))
    if may_be_given(e, card) and (not best or goes_before(card, best)) and fits(e, card) then best = card end
  end
  if best then best.cost = cost_of(e, best.model) end
  return best
end

local function has_share(flow, head) return flow.deficit >= head.cost - NEARLY end

local function is_better(flow, head, other, other_head)
  if head.rank ~= other_head.rank then return head.rank < other_head.rank end
  local mine, theirs = flow.deficit / flow.weight, other.deficit / other.weight
  if math.abs(mine - theirs) > NEARLY then return mine > theirs end
  return head.since < other_head.since
end

local function best_of(e, heads)
  local chosen
  for tenant, head in pairs(heads) do
    local flow = flow_of(e, tenant)
    if has_share(flow, head) and (not chosen or is_better(flow, head, flow_of(e, chosen), heads[chosen])) then
      chosen = tenant
    end
  end
  return chosen
end

-- One round's share for a weight of one, at what things cost now.
local function share_now(e, heads)
  local share = 0
  for tenant, head in pairs(heads) do share = math.max(share, head.cost / flow_of(e, tenant).weight) end
  return share
end

-- What is left beyond two rounds' shares came from a start that was far cheaper than expected.
local function trim(e, heads)
  local share = share_now(e, heads)
  for tenant in pairs(heads) do
    local flow = flow_of(e, tenant)
    flow.deficit = math.min(flow.deficit, 2 * share * flow.weight)
  end
end

-- As many rounds as it takes until somebody may start; who owes may have to sit out more.
local function begin_round(e, heads)
  local share, rounds = share_now(e, heads), math.huge
  for tenant, head in pairs(heads) do
    local flow = flow_of(e, tenant)
    rounds = math.min(rounds, math.ceil((head.cost - flow.deficit) / (flow.weight * share) - NEARLY))
  end
  local dealt = math.max(1, rounds) * share
  e.total, e.quantum = e.total + dealt, share
  for tenant in pairs(heads) do
    local flow = flow_of(e, tenant)
    flow.deficit, flow.credited = flow.deficit + dealt * flow.weight, e.total
  end
end

local function deliver(process, word)
  if process == caller then
    granted[#granted + 1] = word
  else
    redis.call('RPUSH', prefix .. 'slots:granted:' .. process, word)
    outlive(prefix .. 'slots:granted:' .. process)
  end
end

local serial = 0
local function grant_jobs(e, card)
  serial = serial + 1
  local member = string.format('%s/job-%d-%d', card.process, now_us, serial)
  hold(e, member, card)
  local room = room_of(card.process)
  room[card.kind] = room[card.kind] - 1
  if card.process ~= caller then write_room(card.process, 'KEEPTTL') end
  if e.share and card.process == caller then e.share = e.share - 1 end
  card.count, card.served = card.count - 1, now
  if card.count > 0 then write_jobs_card(e, card) else leave_jobs(e, card.tenant, card.line) end
  deliver(card.process, table.concat({member, e.name, card.line}, '|'))
  return member
end

local function grant_call(e, card)
  hold(e, card.member, card)
  leave_calls(e, card.member)
  holds[card.member] = true
  deliver(card.process, card.member .. '||')
  return card.member
end

local function grant(e, tenant, card)
  local member = card.line and grant_jobs(e, card) or grant_call(e, card)
  charge(e, tenant, card.cost)
  redis.call('HSET', e.key .. ':charged', member, string.format('%s|%.6f', tenant, card.cost))
  outlive(e.key .. ':charged')
end

local function say_wanted(e)
  if redis.call('SET', e.key .. ':said', 1, 'NX', 'PX', SAID_MS) then
    redis.call('PUBLISH', prefix .. 'slots:wanted', e.name)
  end
end

local function dispatch(e)
  forget_the_gone(e)
  local free = free_slots(e)
  if free > 0 and e.has_line then
    local heads = {}
    for _, tenant in ipairs(redis.call('SMEMBERS', e.key .. ':line')) do heads[tenant] = head_of(e, tenant) end
    while free > 0 and next(heads) do
      trim(e, heads)
      local tenant = best_of(e, heads)
      if not tenant then
        begin_round(e, heads)
        tenant = best_of(e, heads)
      end
      if fits(e, heads[tenant]) then
        grant(e, tenant, heads[tenant])
        free = free - 1
      end
      heads[tenant] = head_of(e, tenant)
    end
  end
  if e.has_line and free <= 0 then say_wanted(e) end
end

-- --- Operations ---
local act, later = {}, {}

function act.T(e, op, index)
  if not e.has_line and has_room(e.key, op.capacity) and fits(e, op) then
    hold(e, op.member, op)
    return 1
  end
  join_calls(e, op, index)
  e.asked = true
  return later
end

function act.R(e, op)
  if leave_calls(e, op.member) then return 1 end
  let_go(e, op.member, op)
  full[e.key] = nil
  local used_ms, uses = string.match(op.more, '^(%d+)/(%d+)$')
  local charged = redis.call('HGET', e.key .. ':charged', op.member)
  if charged then redis.call('HDEL', e.key .. ':charged', op.member) end
  if used_ms and tonumber(uses) > 0 then
    learn(op.model, used_ms / uses / 1000)
    learn(op.endpoint, used_ms / uses / 1000)
    if e.has_line then
      local before = charged and tonumber(split(charged)[2]) or 0
      charge(e, op.tenant, math.min(used_ms, now - round_of(e).since) / 1000 - before)
    end
  end
  e.asked = e.asked or e.has_line
  return 1
end

function act.K(e, op)
  hold(e, op.member, op)
  return 1
end

function act.W(e, op)
  if redis.call('ZSCORE', e.key, op.member) then return 1 end
  if redis.call('HEXISTS', e.key .. ':cards', op.member) == 0 then return 0 end
  redis.call('ZADD', e.key .. ':alive', now + lease, op.member)
  stand_in_line(e, op.tenant, op.weight)
  e.asked = true
  return later
end

function act.J(e, op)
  local class, kind, age_ms, count = string.match(op.more, '^(%d+)/(%d+)/(%d+)/(%d+)$')
  if count == '0' then
    leave_jobs(e, op.tenant, op.member)
    return 1
  end
  local known = redis.call('HGET', e.key .. ':jobs:' .. op.tenant, op.member)
  write_jobs_card(e, {line = op.member, tenant = op.tenant, own = op.own, limit = op.limit, cap = op.cap,
    model = op.model, process = caller, class = class, kind = kind + 1, since = now - age_ms,
    served = known and jobs_card('', '', known).served or 0, count = count})
  redis.call('ZADD', e.key .. ':alive', now + JOBS_LEASE_MS, 'jobs|' .. op.tenant .. '|' .. op.member)
  stand_in_line(e, op.tenant, op.weight)
  return 1
end

function act.D(e, op)
  e.share = tonumber(op.more)
  e.asked = true
  return 1
end

-- What a call that is still in line is told.
local function told(e, op)
  if holds[op.member] then return 1 end
  local rank = redis.call('ZRANK', e.key .. ':calls:' .. op.tenant, op.member)
  if not rank then return 0 end
  if op.letter == 'W' or (op.most ~= '' and rank < tonumber(op.most)) then return 2 end
  leave_calls(e, op.member)
  say_wanted(e)
  if op.most == '' then return 0 end
  return -math.max(1, (rank + 1) * math.max(1, redis.call('SCARD', e.key .. ':line')))
end

local PARTS = '^(.)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$'
local answers, ops = {}, {}
for index = 5, #ARGV do
  local op = {}
  op.letter, op.member, op.endpoint, op.capacity, op.own, op.limit, op.tenant, op.weight, op.cap, op.model, op.most,
    op.more = string.match(ARGV[index], PARTS)
  local answer = act[op.letter](at(op), op, index)
  ops[#ops + 1] = op
  answers[#ops] = answer
end
for _, e in ipairs(touched) do
  if e.asked then dispatch(e) end
end
for number, op in ipairs(ops) do
  if answers[number] == later then answers[number] = told(endpoints[op.endpoint], op) end
end
for _, e in ipairs(touched) do write_flows(e) end
if room_word ~= '' then write_room(caller, 'PX', ROOM_MS) end
return {answers, granted}
