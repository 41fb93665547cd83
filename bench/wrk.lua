-- Drives wrk for every scenario: `wrk … -s wrk.lua URL -- [DEPTH [REQUEST]]`.
--
-- DEPTH requests go out in one write; 1 (the default) is wrk's usual behaviour.
-- REQUEST is a file with the bytes of a request; without it wrk spells one. Several requests in
-- it, without bodies, take turns on each connection when DEPTH is 1.
-- The last line of the output is the result as JSON, in exact numbers, where
-- wrk's own summary rounds.

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

function init(args)
  local depth = tonumber(args[1]) or 1
  local one = args[2] and contents(args[2]) or wrk.format()
  -- wrk asks wrk.format once and keeps the text as long as no global request()
  -- exists, so a deep pipeline costs the client no Lua call per batch.
  local turns = {}
  if args[3] == "turns" then
    for head in one:gmatch("(.-\r\n)\r\n") do
      turns[#turns + 1] = head .. "\r\n"
    end
  end
  if #turns > 1 then
    local nth = 0
    function request()
      nth = nth % #turns + 1
      return turns[nth]
    end
  end
  local batch = #turns > 1 and turns[1] or string.rep(one, depth)
  wrk.format = function()
    return batch
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
