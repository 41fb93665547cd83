# What `npm run debug` gives gdb. By hand, from the top of the repository:
#
#   gdb -x scripts/reactor.gdb --args target/debug/examples/serve -p 8080 --no-sigint

set pagination off
set confirm off
set print pretty on
# Threads come and go all the time; their names show in "info threads".
set print thread-events off
# The engine is found by the names of Rust.
set language rust
# What stops a server is for the server; Ctrl-C is for gdb.
handle SIGTERM nostop noprint pass
handle SIGUSR1 SIGPIPE nostop noprint pass

source scripts/reactor_gdb.py

reactor break
set language auto
