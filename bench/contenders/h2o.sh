#!/bin/sh
# h2o with one thread: `h2o.sh PORT`. Debian, Ubuntu: apt-get install h2o.
#
# It has no response in its configuration, so it sends a file, which it keeps open
# for as long as it is asked for.
set -eu
folder=$(mktemp -d)
mkdir "$folder/files"
printf 'Hello, World!' > "$folder/files/index.txt"
user=$(id -un)
# With HTTP/2 it speaks that on the same port: by ALPN, or by prior knowledge, which the word for
# "Upgrade: h2c" allows too.
upgrade=OFF
if [ -n "${HTTP2:-}" ]; then upgrade=ON; fi
tls=
if [ -n "${TLS_CERT:-}" ]; then
  tls=", ssl: { certificate-file: $(realpath "$TLS_CERT"), key-file: $(realpath "$TLS_KEY") }"
fi
cat > "$folder/h2o.conf" <<END
user: $user
num-threads: 1
num-name-resolution-threads: 1
max-connections: 20000
http2-idle-timeout: 3600
http1-upgrade-to-http2: $upgrade
file.index: ["index.txt"]
file.etag: OFF
listen: { host: 127.0.0.1, port: $1$tls }
hosts:
  default:
    paths:
      /: { file.dir: "$folder/files" }
END
exec h2o -m worker -c "$folder/h2o.conf"
