#!/bin/sh
# nginx with one worker, which is the process itself: `nginx.sh PORT`. Debian,
# Ubuntu: apt-get install nginx-light.
#
# The answer is in its configuration. No log, and no end to the requests of a
# connection, which it would close after 1,000 by default.
set -eu
folder=$(mktemp -d)
cat > "$folder/nginx.conf" <<END
daemon off;
master_process off;
error_log stderr;
worker_rlimit_nofile 20000;
pid $folder/pid;
events { worker_connections 10000; multi_accept on; use epoll; }
http {
  access_log off;
  default_type text/plain;
  keepalive_requests 1000000000;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen 127.0.0.1:$1 backlog=4096;
    location = / { return 200 "Hello, World!"; }
  }
}
END
exec nginx -e stderr -p "$folder" -c "$folder/nginx.conf"
