#!/bin/sh
# nginx with one worker, which is the process itself, for the files of a folder:
# `nginx-files.sh PORT FOLDER`. Debian, Ubuntu: apt-get install nginx-light.
#
# As its documents advise: sendfile with tcp_nopush, descriptors kept, the .gz beside a file
# where the client takes it. It has no .br without a module of somebody else's.
set -eu
root=$(realpath "$2")
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
  types {
    text/html html; text/css css; text/javascript js; application/json json; image/svg+xml svg;
    text/plain txt; font/woff2 woff2; image/webp webp; image/jpeg jpg; image/png png;
    image/x-icon ico;
  }
  sendfile on;
  tcp_nopush on;
  open_file_cache max=10000 inactive=20s;
  gzip_static on;
  keepalive_requests 1000000000;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen 127.0.0.1:$1 backlog=4096;
    root $root;
  }
}
END
exec nginx -e stderr -p "$folder" -c "$folder/nginx.conf"
