# Stands for systemd: prints each message that comes to the socket, one a line of JSON.
import json, socket, sys

manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = sys.argv[1]
manager.bind("\0" + path[1:] if path.startswith("@") else path)
print("listening", flush=True)
while True:
    print(json.dumps(manager.recv(65536).decode().split("\n")), flush=True)
