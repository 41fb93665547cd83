# Compares the engine's HPACK with Python's: what one writes the other reads, and what is malformed
# both refuse. Prints a line for each comparison: its name, a tab, "ok" or what differs.
#
#   compare_hpack.py PROGRAM [SEED [ROUNDS]]    PROGRAM is the example hpack_lines of crates/proto

import random
import subprocess
import sys

from hpack import Decoder, Encoder
from hpack.exceptions import HPACKError
from hpack.struct import HeaderTuple, NeverIndexedHeaderTuple

program = subprocess.Popen(
    [sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
)
seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 400
rng = random.Random(seed)
print(f'# seed {seed}')

NAMES = [b':path', b':method', b'content-type', b'cookie', b'x-request-id', b'accept-encoding', b'date', b'x-a']
VALUES = [b'/', b'GET', b'gzip, deflate', b'text/html; charset=utf-8', b'', b'Mon, 21 Oct 2013 20:13:21 GMT']
LARGE = 1 << 30


def ask(line):
    program.stdin.write(line + '\n')
    program.stdin.flush()
    return program.stdout.readline().rstrip('\n')


def ours(block):
    """The fields of a block, or None if it is refused."""
    answer = ask('decode ' + block.hex())
    if not answer.startswith('ok'):
        assert answer.startswith('no '), answer
        return None
    pairs = (pair.split(':') for pair in answer.split()[1:])
    return [(bytes.fromhex(name), bytes.fromhex(value)) for name, value in pairs]


def new_decoder():
    decoder = Decoder(max_header_list_size=LARGE)
    return decoder


def theirs(decoder, block):
    try:
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
    except HPACKError:
        return None


def text(choices, most):
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(choices)
    size = rng.randrange(most)
    if kind < 0.9:
        return bytes(rng.choice(b'abcdefghijklmnopqrstuvwxyz0123456789-_/;=. ') for _ in range(size))
    return rng.randbytes(size)


def fields():
    return [(text(NAMES, 30).lower(), text(VALUES, 400)) for _ in range(rng.randrange(12))]


def block_of(encoder, some):
    """A block by Python's encoder, which may also make the table smaller or larger."""
    if rng.random() < 0.2:
        for _ in range(rng.randrange(1, 3)):
            # Python forgets a change if the same size is set again before the next block.
            sizes = {0, 40, 100, 1000, 4096} - {encoder.header_table_size}
            encoder.header_table_size = rng.choice(sorted(sizes))
    sent = [
        (NeverIndexedHeaderTuple if rng.random() < 0.2 else HeaderTuple)(*field) for field in some
    ]
    return encoder.encode(sent, huffman=rng.random() < 0.7)


def they_write_we_read():
    blocks = 0
    for _ in range(rounds):
        ask('new 4096')
        encoder = Encoder()
        for _ in range(rng.randrange(1, 10)):
            some = fields()
            block = block_of(encoder, some)
            got = ours(block)
            assert got == some, f'{block.hex()}: {got}'
            blocks += 1
    print(f'# {blocks} blocks by Python')


def we_write_they_read():
    blocks = 0
    for _ in range(rounds):
        ask('new 4096')
        decoder = new_decoder()
        decoder.max_allowed_table_size = 1 << 20
        for _ in range(rng.randrange(1, 10)):
            if rng.random() < 0.3:
                for _ in range(rng.randrange(1, 3)):
                    ask(f'peer {rng.choice([0, 50, 200, 1000, 4096, 65536])}')
            some = fields()
            hints = (rng.choice(['index', 'index', 'plain', 'never', 'auto', 'literal']) for _ in some)
            words = (f'{hint}:{name.hex()}:{value.hex()}' for hint, (name, value) in zip(hints, some))
            answer = ask(' '.join(['encode', *words]))
            block = bytes.fromhex(answer.removeprefix('ok '))
            got = theirs(decoder, block)
            assert got == some, f'{block.hex()}: {got}'
            blocks += 1
    print(f'# {blocks} blocks by the engine')


def mutated(block):
    block = bytearray(block)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(block) + 1)
        kind = rng.random()
        if kind < 0.4 and at < len(block):
            block[at] ^= 1 << rng.randrange(8)
        elif kind < 0.6:
            block[at:at] = rng.choice([b'\x80', b'\xff', b'\x20', b'\x3f\xe1\x1f', b'\x40', b'\x00', rng.randbytes(2)])
        elif kind < 0.8:
            del block[at : at + rng.randrange(1, 4)]
        else:
            del block[at:]
    return bytes(block)


def same_verdict_on_mutations():
    refused = taken = 0
    for _ in range(rounds):
        encoder = Encoder()
        before = block_of(encoder, fields())
        after = block_of(encoder, fields() + [(b'x-a', b'b')])
        for _ in range(10):
            ask('new 4096')
            decoder = new_decoder()
            assert ours(before) == theirs(decoder, before)
            block = mutated(after)
            got, expected = ours(block), theirs(decoder, block)
            assert got == expected, f'{before.hex()} {block.hex()}: {got} instead of {expected}'
            refused += got is None
            taken += got is not None
            # The tables are the same, too.
            if got is not None:
                probe = bytes(range(0xBE, 0xC8))
                for at in range(len(probe)):
                    one = probe[at : at + 1]
                    got, expected = ours(one), theirs(decoder, one)
                    assert got == expected, f'{before.hex()} {block.hex()} {one.hex()}: {got} instead of {expected}'
                    if got is None:
                        break
    print(f'# {refused} refused, {taken} not')
    assert refused > rounds and taken > rounds / 2


failed = False
for name, run in [
    ('blocks of Python decode to what was encoded', they_write_we_read),
    ('Python decodes blocks to what was encoded', we_write_they_read),
    ('blocks changed at random get the same verdict', same_verdict_on_mutations),
]:
    try:
        run()
        print(f'{name}\tok')
    except AssertionError as error:
        print(f'{name}\tseed {seed}: {error}')
sys.exit(0)
