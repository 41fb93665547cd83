#!/bin/sh
# nginx with one worker, which is the process itself: `nginx.sh PORT`. Debian,
# Ubuntu: apt-get install nginx-light.
#
# The answer is in its configuration. No log, and no end to the requests of a
# connection, which it would close after 1,000 by default.
set -eu
folder=$(mktemp -d)
head -c 1048576 /dev/zero | tr '\0' x > "$folder/large"
# Over TLS, with sessions that can be resumed.
secure= tls=
if [ -n "${TLS_CERT:-}" ]; then
  secure=ssl
  tls="ssl_certificate $(realpath "$TLS_CERT"); ssl_certificate_key $(realpath "$TLS_KEY");
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:sessions:20m;"
fi
# HTTP/2, without TLS by prior knowledge only. This word is older than 'http2 on;' and goes on working.
http2=
if [ -n "${HTTP2:-}" ]; then http2=http2; fi
cat > "$folder/nginx.conf" <<END
daemon off;
master_process off;
error_log stderr;
worker_rlimit_nofile 30000;
pid $folder/pid;
events { worker_connections 20000; multi_accept on; use epoll; }
http {
  access_log off;
  default_type text/plain;
  open_file_cache max=10;
  keepalive_requests 1000000000;
  client_body_temp_path $folder/body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  server {
    listen 127.0.0.1:$1 backlog=4096 $secure $http2;
    $tls
    location = / { return 200 "Hello, World!"; }
    location = /large { alias $folder/large; }
  }
}
END
exec nginx -e stderr -p "$folder" -c "$folder/nginx.conf"
