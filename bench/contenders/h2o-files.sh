#!/bin/sh
# h2o with one thread, for the files of a folder: `h2o-files.sh PORT FOLDER`. Debian, Ubuntu:
# apt-get install h2o. It sends the .br or .gz beside a file where the client takes it.
set -eu
root=$(realpath "$2")
folder=$(mktemp -d)
user=$(id -un)
cat > "$folder/h2o.conf" <<END
user: $user
num-threads: 1
num-name-resolution-threads: 1
http1-upgrade-to-http2: OFF
file.send-compressed: ON
listen: { host: 127.0.0.1, port: $1 }
hosts:
  default:
    paths:
      /: { file.dir: "$root" }
END
exec h2o -m worker -c "$folder/h2o.conf"
