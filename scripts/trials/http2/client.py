"""httpx with HTTP/2: each check is a line, its name and `ok` or what was wrong.

Arguments: the URL in clear, the URL over TLS or -, the authority's file or -.
"""

import asyncio
import hashlib
import ssl
import sys

import h2
import httpx

clear, secure, authority = sys.argv[1:4]


def pattern(size):
    row = bytes((n * 7) & 0xFF for n in range(256))
    out = bytearray()
    for block in range(size // 256):
        shift = (block * 3 + (block >> 8)) & 0xFF
        out += bytes((byte + shift) & 0xFF for byte in row)
    return bytes(out)


BODY = pattern(10 << 20)
SHA = hashlib.sha256(BODY).hexdigest()


async def text(client):
    answer = await client.get("/hello")
    assert (answer.status_code, answer.text, answer.http_version) == (200, "hello", "HTTP/2")


async def down(client):
    answer = await client.get("/large")
    assert hashlib.sha256(answer.content).hexdigest() == SHA


async def up(client):
    answer = await client.post("/sha", content=BODY)
    assert answer.json() == {"size": len(BODY), "sha256": SHA}, answer.text


async def streamed_up(client):
    async def pieces():
        for at in range(0, len(BODY), 50_000):
            yield BODY[at : at + 50_000]

    answer = await client.post("/sha", content=pieces())
    assert answer.json()["sha256"] == SHA


async def head(client):
    answer = await client.head("/text")
    assert (answer.status_code, answer.content) == (200, b"")


async def not_modified(client):
    answer = await client.get("/tagged", headers={"if-none-match": '"t"'})
    assert answer.status_code == 304


async def compressed(client):
    answer = await client.get("/text")
    assert answer.text == "All work and no play makes Jack a dull boy. " * 500


async def at_once(client):
    answers = await asyncio.gather(*(client.get("/wait?ms=100") for _ in range(100)))
    assert {answer.text for answer in answers} == {"waited"}


async def events(client):
    got = []
    async with client.stream("GET", "/events?most=10") as answer:
        async for line in answer.aiter_lines():
            if line:
                got.append(line)
    assert got == [f"data: {n}" for n in range(10)], got


async def gone(client):
    async with client.stream("GET", "/streamed?pieces=100000") as answer:
        async for _ in answer.aiter_bytes():
            break
    answer = await client.get("/hello")
    assert answer.text == "hello"


async def cookies(client):
    answer = await client.get("/answered")
    assert answer.headers.get_list("set-cookie")[-1] == "b=2"
    assert answer.headers["x-upper"] == "Two"


CHECKS = [text, down, up, streamed_up, head, not_modified, compressed, at_once, events, gone, cookies]


async def main():
    print(f"# httpx {httpx.__version__}, h2 {h2.__version__}")
    kinds = [("in clear", clear, dict(http1=False, http2=True))]
    if secure != "-":
        context = ssl.create_default_context(cafile=authority)
        kinds.append(("over TLS", secure, dict(http2=True, verify=context)))
    for kind, url, how in kinds:
        async with httpx.AsyncClient(base_url=url, timeout=20, **how) as client:
            for check in CHECKS:
                try:
                    await check(client)
                    fault = "ok"
                except Exception as error:
                    fault = repr(error).replace("\n", " ")
                print(f"{check.__name__} {kind}\t{fault}", flush=True)


asyncio.run(main())
