# Calls of every kind by Python's grpcio: `python client.py <port>`. A line for each thing that was tried.
# The messages are few and small, so they are written and read here.

import queue
import sys
import time

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}", options=OPTIONS)
faults = 0


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(**fields):
    """Fields named f1, f2 … by their numbers."""
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def read(data):
    fields, at = {}, 0

    def number():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            fields[key >> 3] = number()
        else:
            length = number()
            fields[key >> 3] = data[at : at + length]
            at += length
    return fields


def same(data):
    return data


kinds = {"request_serializer": same, "response_deserializer": read}
say = channel.unary_unary("/example.v1.Echo/Say", **kinds)
count = channel.unary_stream("/example.v1.Echo/Count", **kinds)
total = channel.stream_unary("/example.v1.Echo/Sum", **kinds)
chat = channel.stream_stream("/example.v1.Echo/Chat", **kinds)
health = channel.unary_unary("/grpc.health.v1.Health/Check", **kinds)
nothing = channel.unary_unary("/example.v1.Echo/Nothing", **kinds)


def check(name):
    def run(trial):
        global faults
        try:
            trial()
            print(f"grpcio: {name}", flush=True)
        except Exception as error:  # noqa: BLE001
            faults += 1
            text = str(error).replace("\n", " ") or type(error).__name__
            print(f"grpcio: {name}: FAULT {text}", flush=True)

    return run


def fails(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("no error came")


@check("unary")
def _():
    assert say(message(f1="grüße"))[1].decode() == "grüße"


@check("server streaming")
def _():
    assert [number[1] for number in count(message(f1=1000))] == list(range(1, 1001))


@check("client streaming")
def _():
    numbers = (message(f1=value) for value in range(1, 1001))
    assert total(numbers) == {1: 500500, 2: 1000}


@check("bidirectional, each reply before the next request")
def _():
    asks = queue.Queue()
    replies = chat(iter(asks.get, None))
    for turn in range(100):
        asks.put(message(f1=f"m{turn}"))
        assert next(replies)[1].decode() == f"you said: m{turn}"
    asks.put(None)
    assert list(replies) == []
    assert replies.code() == grpc.StatusCode.OK


@check("metadata, binary too, before and behind")
def _():
    sent = (("x-text", "a b"), ("x-raw-bin", b"\x00\xff\x01"))
    _, call = say.with_call(message(), metadata=sent)
    before, behind = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert before["x-text"] == "a b" and before["x-raw-bin"] == b"\x00\xff\x01"
    assert behind["x-text-behind"] == "a b" and behind["x-raw-behind-bin"] == b"\x00\xff\x01"


@check("every code, with details")
def _():
    for code in grpc.StatusCode:
        if code is grpc.StatusCode.OK:
            continue
        text = f"fault {code.value[0]}: 100 % ü"
        error = fails(lambda: say(message(f1=text, f2=code.value[0])))
        assert (error.code(), error.details()) == (code, text), error
        behind = dict(error.trailing_metadata())
        assert behind["x-failed"] == "yes"
        assert b"ask for something else" in behind["grpc-status-details-bin"]


@check("a method that is not there")
def _():
    assert fails(lambda: nothing(b"")).code() == grpc.StatusCode.UNIMPLEMENTED


@check("a deadline")
def _():
    begun = time.monotonic()
    error = fails(lambda: say(message(f3=5000), timeout=0.1))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - begun < 2
    error = fails(lambda: list(count(message(f1=1000, f2=20), timeout=0.15)))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@check("cancellation")
def _():
    calls = [say.future(message(f3=5000)), count(message(f1=1000, f2=5))]
    asks = queue.Queue()
    calls.append(chat(iter(asks.get, None)))
    asks.put(message(f1="first"))
    next(calls[2])
    next(calls[1])
    for call in calls:
        call.cancel()
    asks.put(None)
    for call in calls:
        assert call.code() == grpc.StatusCode.CANCELLED


@check("gzip both ways")
def _():
    text = "compress me " * 20_000
    reply, call = say.with_call(message(f1=text), compression=grpc.Compression.Gzip)
    assert reply[1].decode() == text


@check("messages of 8 MiB")
def _():
    data = bytes(8 << 20)
    assert say(message(f4=data))[2] == data


@check("a message that is larger than the server takes")
def _():
    error = fails(lambda: say(message(f4=bytes(33 << 20))))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error


@check("health")
def _():
    assert health(message(f1="example.v1.Echo")) == {1: 1}
    assert fails(lambda: health(message(f1="other"))).code() == grpc.StatusCode.NOT_FOUND


@check("1,000 concurrent calls of one connection")
def _():
    calls = [say.future(message(f1=f"{turn}", f3=100)) for turn in range(1000)]
    for turn, call in enumerate(calls):
        assert call.result()[1].decode() == f"{turn}"


channel.close()
sys.exit(1 if faults else 0)
