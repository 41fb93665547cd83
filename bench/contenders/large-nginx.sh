#!/bin/sh
# nginx with one worker, which is the process itself, and a file of 1 MiB:
# `large-nginx.sh PORT on|off`, with sendfile or without.
set -eu
folder=$(mktemp -d)
mkdir "$folder/files"
head -c 1048576 /dev/zero | tr '\0' x > "$folder/files/static"
printf small > "$folder/files/small"
cat > "$folder/nginx.conf" <<END
daemon off;
master_process off;
error_log stderr;
pid $folder/pid;
worker_rlimit_nofile 20000;
events { worker_connections 10000; use epoll; }
http {
  access_log off;
  sendfile $2;
  open_file_cache max=10;
  keepalive_requests 1000000000;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen 127.0.0.1:$1 backlog=4096;
    root $folder/files;
  }
}
END
exec nginx -e stderr -p "$folder" -c "$folder/nginx.conf"
