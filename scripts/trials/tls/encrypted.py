"""Wrong messages under encryption, with tlslite-ng: encrypted.py PORT MUTUAL_PORT CERT KEY.

A line for each case: its name, a tab, and what came of it. The number of an alert, `data`, `closed`
(by close_notify), `reset` or `cut` (without one), or `open`.
"""

import socket
import sys

from tlslite.api import (HandshakeSettings, TLSAbruptCloseError, TLSConnection, TLSLocalAlert,
                         TLSRemoteAlert, X509CertChain, parsePEMKey)
from tlslite.constants import AlertDescription, ContentType, HandshakeType
from tlslite.messages import (Alert, ApplicationData, ChangeCipherSpec, ClientHello, Finished,
                              KeyUpdate, Message)

port, mutual, cert_file, key_file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
REQUEST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
TLS12, TLS13 = (3, 3), (3, 4)


def settings(version):
    made = HandshakeSettings()
    made.minVersion = made.maxVersion = version
    return made


def opened(version, to=port, **more):
    raw = socket.create_connection(("127.0.0.1", to), timeout=5)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = TLSConnection(raw)
    connection.handshakeClientCert(settings=settings(version), serverName="localhost", **more)
    connection.raw = raw
    return connection


def send(connection, message, update=False):
    for _ in connection._sendMsg(message, randomizeFirstBlock=False, update_hashes=update):
        pass


def message(kind, payload):
    return Message(kind, bytearray(payload))


def handshake(kind, payload):
    body = bytearray(payload)
    return message(ContentType.handshake, bytearray([kind, 0, len(body) >> 8, len(body) & 255]) + body)


def outcome(connection):
    """What the server says next, and whether it still answers a request."""
    try:
        connection.raw.settimeout(3)
        data = connection.read(max=65536, min=1)
        return "data" if data else "closed"
    except TLSRemoteAlert as alert:
        return str(alert.description)
    except TLSAbruptCloseError:
        return "cut"
    except TLSLocalAlert as alert:
        return "local %s" % alert
    except (ConnectionError, BrokenPipeError):
        return "reset"
    except socket.timeout:
        return "open"


def answered(connection):
    connection.write(REQUEST)
    return outcome(connection)


CASES = []


def case(version):
    def add(function):
        CASES.append((version, function))
        return function

    return add


def after(version, name, *messages, asks=True):
    """Messages behind a handshake, and then a request."""

    def run():
        connection = opened(version)
        try:
            for each in messages:
                send(connection, each() if callable(each) else each)
        except (ConnectionError, BrokenPipeError):
            return outcome(connection)
        return answered(connection) if asks else outcome(connection)

    run.__name__ = name
    CASES.append((version, run))


for version in (TLS12, TLS13):
    after(version, "nothing")
    after(version, "an empty record of data", message(ContentType.application_data, b""))
    after(version, "thirty empty records of data",
          *[message(ContentType.application_data, b"")] * 30)
    after(version, "a record of 16384 bytes of a head",
          message(ContentType.application_data, b"GET /hello HTTP/1.1\r\nX: " + b"y" * 16000))
    after(version, "an empty handshake record", message(ContentType.handshake, b""))
    after(version, "an empty alert", message(ContentType.alert, b""))
    after(version, "half an alert", message(ContentType.alert, b"\x01"))
    after(version, "an alert of three bytes", message(ContentType.alert, b"\x01\x5a\x00"))
    after(version, "two alerts in one record", message(ContentType.alert, b"\x01\x5a\x01\x5a"))
    after(version, "a fatal alert", message(ContentType.alert, b"\x02\x28"))
    after(version, "an unknown alert", message(ContentType.alert, b"\x01\xfe"))
    after(version, "user_canceled", message(ContentType.alert, b"\x01\x5a"))
    after(version, "a thousand warnings", *[message(ContentType.alert, b"\x01\x5a")] * 1000)
    after(version, "a heartbeat", message(24, b"\x01\x40\x00"))
    after(version, "a record of type 99", message(99, b"\x01\x02"))
    for kind in (0, 1, 2, 4, 8, 11, 13, 14, 15, 16, 20, 21, 99, 254):
        after(version, "a handshake message of type %d" % kind, handshake(kind, b"\x00" * 40))
    after(version, "a handshake message of 16 MiB", message(ContentType.handshake, b"\x18\xff\xff\xff\x00"))
    after(version, "half a handshake message, then data",
          message(ContentType.handshake, b"\x18\x00\x00\x01"))
    after(version, "a CCS under encryption", message(ContentType.change_cipher_spec, b"\x01"))
    after(version, "close_notify, then data", message(ContentType.alert, b"\x01\x00"))

for value in (2, 255):
    after(TLS13, "a key update with %d" % value, handshake(HandshakeType.key_update, [value]))
after(TLS13, "a key update without a value", handshake(HandshakeType.key_update, []))
after(TLS13, "a key update of two bytes", handshake(HandshakeType.key_update, [0, 0]))
after(TLS13, "a key update and more in one record",
      message(ContentType.handshake, b"\x18\x00\x00\x01\x00\x18\x00\x00\x01\x00"))
after(TLS13, "a key update in two records",
      message(ContentType.handshake, b"\x18\x00"), message(ContentType.handshake, b"\x00\x01\x05"))
after(TLS12, "a key update", handshake(HandshakeType.key_update, [0]))


def key_updates(count, ask):
    def run():
        connection = opened(TLS13)
        try:
            for _ in range(count):
                for _ in connection.send_keyupdate_request(ask):
                    pass
        except (ConnectionError, BrokenPipeError):
            return outcome(connection)
        return answered(connection)

    run.__name__ = "%d key updates%s" % (count, ", answers wanted" if ask else "")
    CASES.append((TLS13, run))


for count in (1, 10, 33, 1000):
    for ask in (0, 1):
        key_updates(count, ask)


def raw_after(version, name, *pieces):
    """Bytes that are not encrypted behind a handshake, and then a request."""

    def run():
        connection = opened(version)
        try:
            for piece in pieces:
                connection.raw.sendall(piece)
        except (ConnectionError, BrokenPipeError):
            pass
        return outcome(connection)

    run.__name__ = name
    CASES.append((version, run))


for version in (TLS12, TLS13):
    raw_after(version, "a request in clear", REQUEST)
    raw_after(version, "data in clear", b"\x17\x03\x03\x00\x05hello")
    raw_after(version, "an alert in clear", b"\x15\x03\x03\x00\x02\x01\x5a")
    raw_after(version, "a fatal alert in clear", b"\x15\x03\x03\x00\x02\x02\x28")
    raw_after(version, "a hello in clear", b"\x16\x03\x03\x00\x30\x01\x00\x00\x2c\x03\x03" + b"\x07" * 42)
    raw_after(version, "a CCS in clear", b"\x14\x03\x03\x00\x01\x01")
    raw_after(version, "random ciphertext", b"\x17\x03\x03\x00\x40" + bytes(range(64)))
    raw_after(version, "an empty record", b"\x17\x03\x03\x00\x00")
    raw_after(version, "a short record", b"\x17\x03\x03\x00\x08" + b"\x01" * 8)
    raw_after(version, "a record of 16,640 bytes", b"\x17\x03\x03\x41\x00" + b"\x01" * 16640)
    raw_after(version, "a record of 18,433 bytes", b"\x17\x03\x03\x48\x01" + b"\x01" * 18433)
    raw_after(version, "a record of 65,535 bytes", b"\x17\x03\x03\xff\xff" + b"\x01" * 65535)


@case(TLS12)
def renegotiation():
    connection = opened(TLS12)
    hello = ClientHello()
    hello.create((3, 3), bytearray(32), bytearray(0), [0xC02B, 0xC02F, 0x00FF], extensions=[])
    send(connection, hello)
    return answered(connection)


@case(TLS12)
def a_record_said_twice():
    return replay(TLS12)


@case(TLS13)
def a_record_said_again():
    return replay(TLS13)


def replay(version):
    connection = opened(version)
    sent = []
    connection.raw, plain = connection.raw, connection.raw.sendall
    layer = connection._recordLayer
    original = layer._recordSocket.sock if hasattr(layer, "_recordSocket") else connection.raw
    original_send = original.send

    class Tap:
        def __getattr__(self, name):
            return getattr(original, name)

        def send(self, data):
            sent.append(bytes(data))
            return original_send(data)

    layer._recordSocket.sock = Tap()
    connection.write(REQUEST)
    layer._recordSocket.sock = original
    first = outcome(connection)
    if first != "data":
        return "first " + first
    plain(b"".join(sent))
    return outcome(connection)


@case(TLS13)
def a_wrong_finished():
    return wrong_finished(TLS13)


@case(TLS12)
def a_finished_that_is_wrong():
    return wrong_finished(TLS12)


def wrong_finished(version):
    original = Finished.write

    def damaged(self):
        self.verify_data[0] ^= 1
        return original(self)

    Finished.write = damaged
    try:
        connection = opened(version)
        Finished.write = original
        return outcome(connection)
    except TLSRemoteAlert as alert:
        return str(alert.description)
    finally:
        Finished.write = original


for version in (TLS12, TLS13):
    def half_close(version=version):
        connection = opened(version)
        connection.write(REQUEST)
        connection.raw.shutdown(socket.SHUT_WR)
        return outcome(connection)

    half_close.__name__ = "a request, and the socket's half close"
    CASES.append((version, half_close))

    def says_end(version=version):
        connection = opened(version)
        connection.write(REQUEST)
        send(connection, message(ContentType.alert, b"\x01\x00"))
        first = outcome(connection)
        return first + ", " + outcome(connection)

    says_end.__name__ = "a request and close_notify"
    CASES.append((version, says_end))

    def mutual_without(version=version):
        try:
            return answered(opened(version, to=mutual))
        except TLSRemoteAlert as alert:
            return str(alert.description)

    mutual_without.__name__ = "no certificate where one is wanted"
    CASES.append((version, mutual_without))

    def mutual_with(version=version):
        with open(cert_file) as cert, open(key_file) as key:
            chain = X509CertChain()
            chain.parsePemList(cert.read())
            private = parsePEMKey(key.read(), private=True)
        return answered(opened(version, to=mutual, certChain=chain, privateKey=private))

    mutual_with.__name__ = "a certificate of its own"
    CASES.append((version, mutual_with))

for version, function in CASES:
    name = "%s: %s" % ("1.2" if version == TLS12 else "1.3", function.__name__.replace("_", " "))
    try:
        result = function()
    except Exception as error:  # pylint: disable=broad-except
        result = "error %r" % error
    print(name, result, sep="\t", flush=True)
