"""Python's ssl and http.client: client.py CA CERT KEY PORT MUTUAL_PORT. A line for each trial."""

import http.client
import socket
import ssl
import sys

ca, cert, key, port, mutual = sys.argv[1:]
port, mutual = int(port), int(mutual)


def context(version=None, own=False):
    made = ssl.create_default_context(cafile=ca)
    if version is not None:
        made.minimum_version = made.maximum_version = version
    if own:
        made.load_cert_chain(cert, key)
    return made


def get(to, with_context, path="/hello"):
    connection = http.client.HTTPSConnection("localhost", to, context=with_context, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def plain():
    assert get(port, context()) == (200, b"hello")


def tls12():
    assert get(port, context(ssl.TLSVersion.TLSv1_2)) == (200, b"hello")


def large():
    status, body = get(port, context(), "/large")
    assert status == 200 and len(body) == 1 << 20


def own():
    assert get(mutual, context(own=True)) == (200, b"hello")


def none():
    try:
        get(mutual, context())
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("it was served")


def unwrap():
    """close_notify is answered with close_notify."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        secure = context().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
        secure.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        text = b""
        while b"hello" not in text:
            text += secure.recv(65536)
        secure.unwrap()


def closes():
    """The end of an answer is told with close_notify: else recv would fail."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        secure = context().wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)
        secure.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = b""
        while piece := secure.recv(65536):
            text += piece
        assert text.endswith(b"hello")


def resumed():
    made = context(ssl.TLSVersion.TLSv1_2)
    session = None
    for again in (False, True):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            secure = made.wrap_socket(raw, server_hostname="localhost", session=session)
            secure.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            secure.recv(65536)
            assert secure.session_reused == again
            session = secure.session


print("#", sys.version.split()[0], ssl.OPENSSL_VERSION)
for each in (plain, tls12, large, own, none, unwrap, closes, resumed):
    try:
        each()
        print(each.__name__, "ok", sep="\t")
    except Exception as error:
        print(each.__name__, repr(error), sep="\t")
