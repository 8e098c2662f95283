-- For wrk: asks for recommendations at a constant rate, whatever the answers take; prints one line of JSON.
-- wrk ... -s benchmarks/http.lua URL -- RATE USERS K; a RATE of 0 asks again as soon as there is an answer.
-- One thread of wrk (-t1). Connections take turns: the n-th request is due n / RATE seconds after the first.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local MONOTONIC = 1
local moment = ffi.new("moment")
local threads = {}

local function now()
  ffi.C.clock_gettime(MONOTONIC, moment)
  return tonumber(moment.seconds) + 1e-9 * tonumber(moment.nanoseconds)
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  rate, users, k = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  turn, asked, late = 0, 0, 0
  answered, refused, without_retry, others = 0, 0, 0, 0
end

-- Milliseconds until a connection may ask; how far behind its turn it is says whether there were enough connections.
function delay()
  if rate == 0 then return 0 end
  local moment_now = now()
  first = first or moment_now
  local due = first + turn / rate
  turn = turn + 1
  late = math.max(late, moment_now - due)
  return math.max(0, 1000 * (due - moment_now))
end

function request()
  asked = asked + 1
  local body = string.format('{"user": "user-%05d", "k": %d}', asked * 7 % users, k)
  return wrk.format("POST", "/v1/recommend", { ["Content-Type"] = "application/json" }, body)
end

function response(status, headers, body)
  if status == 200 and select(2, body:gsub('"score"', "")) == k then
    answered = answered + 1
  elseif status == 503 then
    refused = refused + 1
    if not headers["retry-after"] then without_retry = without_retry + 1 end
  else
    others = others + 1
  end
end

function done(summary, latency, requests)
  local thread, errors = threads[1], summary.errors
  io.write(string.format(
    '{"seconds": %.3f, "answered": %d, "refused": %d, "without_retry_after": %d, "others": %d, "broken": %d, '
      .. '"timeouts": %d, "late_ms": %.1f, "p50_ms": %.2f, "p99_ms": %.2f, "p999_ms": %.2f, "max_ms": %.2f}\n',
    summary.duration / 1e6, thread:get("answered"), thread:get("refused"), thread:get("without_retry"),
    thread:get("others"), errors.connect + errors.read + errors.write, errors.timeout, 1000 * thread:get("late"),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency:percentile(99.9) / 1000, latency.max / 1000
  ))
end
