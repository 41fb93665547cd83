/** The text after the options of `reactor-rs --help`. */
export const MAIN_EXAMPLES = `
Examples:
  reactor-rs serve                       port 8080, 4 I/O threads, 8 workers
  reactor-rs serve ./public              the files of a folder
  reactor-rs serve app.mjs               what the module exports by default
  reactor-rs serve --help                every option of serve
  reactor-rs monitor                     watch the server that is running
  reactor-rs bench localhost:8080        load a server for ten seconds
`;

/** The text after the options of `reactor-rs serve --help`. */
export const SERVE_EXAMPLES = `
A flag wins over its environment variable, a variable over what the module says,
that over the default.

A module exports by default a function from Request to Response, or an
application that has one as its fetch, or the options of serve().
A folder is served as files, whatever is in it: a module is named by its file.
Nothing outside of it can be read, nor names that begin with a dot.

Without an argument the built-in application answers: / with a greeting, /echo with
the request's body, /echo/head with its head, /healthz with 200, /stats with
counters.

SIGINT and SIGTERM let requests under way finish; a second one cuts them off.
Then the process ends, whatever the module still has open.
SIGUSR1 opens the file of --access-log anew, after it was renamed. The log leaves
out and counts the lines that it cannot write fast enough.

With TLS, SIGHUP reads the certificates anew. Their files are also watched. One
that is wrong is not used: the old one stays. With --js-threads, SIGHUP also loads
the module anew.

SIGUSR2 starts the same command again, with all listening sockets. Once that one
serves, this one finishes its requests and ends: a deploy loses none.

--watch loads the module anew when one of its files changes: those that it imports,
but for node_modules, and those of --watch-path. No connection is dropped. While the
module has an error, the version before it goes on answering. The error is shown here,
and in the browser in place of the documents that it opens.

Exit codes: 0 after a clean stop. 1 when the server cannot start. 2 when the
command line is wrong. 128 plus the signal's number after a forced stop.

Examples:
  reactor-rs serve ./public              files of a folder
  reactor-rs serve ./dist --spa --immutable
                                         a single-page application that was built
  reactor-rs serve app.mjs               requests to a handler
  reactor-rs serve app.mjs --js-threads 4  its handlers on four JavaScript threads
  reactor-rs serve app.ts --watch        for development: loads it anew on change
  reactor-rs serve -p 3000               another port
  reactor-rs serve -H 127.0.0.1 -p 0     this machine only, any free port
  reactor-rs serve -i auto -w auto       as many threads as fit the cores
  reactor-rs serve --unix /run/app.sock  a unix socket
  reactor-rs serve -p 443 --tls-cert a.pem --tls-key a.key
                                         https
  reactor-rs serve --tls-self-signed     https for development, no file needed
  reactor-rs serve --listen 80 --listen https://:443 --redirect-to-tls …
                                         both, and from the one to the other
  reactor-rs serve --access-log a.log    one line for each request
  reactor-rs serve --metrics 9100        http://127.0.0.1:9100/metrics
  reactor-rs serve --json | jq .url      for programs
`;

/** The text after the options of `reactor-rs monitor --help`. */
export const MONITOR_EXAMPLES = `
The monitor finds the servers of this user that have a control socket. Each server
that was started with "reactor-rs serve" has one. Keys: q quits, p or space pauses,
s sorts the threads. Busy is the share of the time that a thread ran or was ready to
run.
Latencies are counted while a monitor runs.

--web serves one page that shows the same to a browser, with the last ten minutes.
It goes on after a restart of the server. With --json it prints where it listens.

Control sockets are in $REACTOR_RUNTIME_DIR, $XDG_RUNTIME_DIR/reactor-rs or
/tmp/reactor-rs-UID, the first of them that is there and that no other user
can write to.

Examples:
  reactor-rs monitor                     the only server there is
  reactor-rs monitor 8080                the one on that port
  reactor-rs monitor --once              one sample as text
  reactor-rs monitor --json | jq .requests.total
  reactor-rs monitor --web               a dashboard on http://127.0.0.1:9180/
`;

/** The text after the options of `reactor-rs bench --help`. */
export const BENCH_EXAMPLES = `
Without -R every connection sends its next request when an answer has come: that
finds the highest rate. With -R requests go out evenly at that rate, and a latency
counts from when its request was due. Waiting behind a slow answer counts too: that
tells what users would see at this rate.

With a ws:// or wss:// URL the client sends messages, and what it says of requests is
of messages: each has to come back byte for byte, or as --expect-body says. With
--subscribers the server has to pass each message to so many other connections.

With --http2 each connection has --streams requests out at once. A server may allow fewer.
A stream that it resets is a receive error, which says the code, as in
"RST_STREAM REFUSED_STREAM".

Every request is a success or one error: connect, send, receive, timeout, status
or body.

Over https:// connections resume TLS sessions, as browsers do. With --no-keepalive the
rate is that of handshakes, and --no-resume makes each a whole one.

Exit codes: 0. 1 when there is no server at the start, or when more requests failed
than --max-errors allows. 2 when the command line is wrong. 128 plus the signal's
number when a signal ended it; it prints what was counted until then.

Examples:
  reactor-rs bench localhost:8080
  reactor-rs bench -t 2 -c 256 -d 30s http://localhost:8080/
  reactor-rs bench -R 20000 --warmup 2s http://localhost:8080/
  reactor-rs bench -n 1000 -m POST -b @order.json -H 'Content-Type: application/json' \\
    --expect-status 201 http://localhost:8080/orders
  reactor-rs bench --no-keepalive --no-resume --cacert ca.pem https://localhost:8443/
  reactor-rs bench --http2 -c 16 --streams 32 http://localhost:8080/
  reactor-rs bench -c 1000 --size 1024 --compress ws://localhost:8080/echo
  reactor-rs bench --subscribers 1000 -R 100 ws://localhost:8080/room
  reactor-rs bench --unix /run/app.sock http://localhost/ --json | jq .latency.p99Ns
`;
