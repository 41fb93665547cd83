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
cat > "$folder/h2o.conf" <<END
user: $user
num-threads: 1
num-name-resolution-threads: 1
http1-upgrade-to-http2: OFF
file.index: ["index.txt"]
file.etag: OFF
listen: { host: 127.0.0.1, port: $1 }
hosts:
  default:
    paths:
      /: { file.dir: "$folder/files" }
END
exec h2o -m worker -c "$folder/h2o.conf"
