-- Drives wrk for every scenario: `wrk … -s pipeline.lua URL -- DEPTH`.
--
-- DEPTH requests go out in one write (default 16); 1 is wrk's usual behaviour.
-- A second argument is the file of a JSON body, to be sent by POST.
-- The last line of the output is the result as JSON, in exact numbers, where
-- wrk's own summary rounds.

function init(args)
  local depth = tonumber(args[1]) or 16
  if args[2] then
    local file = assert(io.open(args[2], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    file:close()
    wrk.headers["User-Agent"] = "bench"
    wrk.headers["X-Trace"] = "0123456789abcdef"
    wrk.headers["Content-Type"] = "application/json"
  end
  local one = wrk.format()
  -- wrk asks wrk.format once and keeps the text as long as no global request()
  -- exists, so a deep pipeline costs the client no Lua call per batch.
  wrk.format = function()
    return string.rep(one, depth)
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"bytes":%d,"seconds":%.6f,"p50":%d,"p99":%d,"max":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.bytes, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
