"""gdb commands that know the engine: loops, connections, the task queue.

Made for the debug build, whose frames have all their variables. The engine has
no global state, so everything is found from the stacks of its threads.
"""

import gdb

# How deep the engine's own frames lie under those of system calls.
MOST_FRAMES = 24


class NotThere(gdb.GdbError):
    """What a command is about is not in this process, or not at this moment."""


# Rust values.


def number(value):
    """The integer inside atomics, cells, newtypes and paddings."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        fields = [field for field in value.type.fields() if field.type.sizeof > 0]
        value = value[fields[0]]
    return int(value)


def variant(value):
    """Name and content of an enum's value; content is None where it has none."""
    if value.type.code == gdb.TYPE_CODE_ENUM:
        return str(value).rsplit("::", 1)[-1], None
    for field in value.type.fields():
        if not field.artificial and field.name is not None:
            content = value[field]
            names = [inner.name for inner in content.type.fields()]
            return field.name, content["__0"] if names == ["__0"] else content
    raise NotThere(f"{value.type} has no variant that is known")


def some(option):
    """What is in an Option, or None."""
    name, content = variant(option)
    return content if name == "Some" else None


def pointee(arc):
    """What an Arc points to."""
    return arc["ptr"]["pointer"].dereference()["data"]


def items(vec):
    """The elements of a Vec."""
    element = vec.type.template_argument(0)
    start = vec["buf"]["inner"]["ptr"]["pointer"]["pointer"].cast(element.pointer())
    return [start[index] for index in range(int(vec["len"]))]


def octets(vec, most=None):
    """The bytes of a Vec<u8>, the first of them."""
    length = int(vec["len"]) if most is None else min(int(vec["len"]), most)
    if length == 0:
        return b""
    start = int(vec["buf"]["inner"]["ptr"]["pointer"]["pointer"])
    return bytes(gdb.selected_inferior().read_memory(start, length))


def text(data):
    """Bytes as one line of text."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F else {13: "\\r", 10: "\\n"}.get(byte, f"\\x{byte:02x}")
        for byte in data
    )


def address(option):
    """An Option<SocketAddr> as people write it."""
    peer = some(option)
    if peer is None:
        return "unix"
    kind, inner = variant(peer)
    parts = inner["ip"]["octets"]
    low, high = parts.type.range()
    parts = [int(parts[index]) for index in range(low, high + 1)]
    if kind == "V4":
        return f"{'.'.join(map(str, parts))}:{int(inner['port'])}"
    groups = [f"{parts[n] << 8 | parts[n + 1]:x}" for n in range(0, 16, 2)]
    return f"[{':'.join(groups)}]:{int(inner['port'])}"


def instant(value):
    """An Instant in nanoseconds."""
    kernel = value["__0"] if value.type.fields()[0].name == "__0" else value
    spec = kernel["t"] if kernel.type.fields()[0].name == "t" else kernel
    return int(spec["tv_sec"]) * 1_000_000_000 + number(spec["tv_nsec"])


# Where things are.


def frames_of(name):
    """One frame of each thread that is inside the function of that name."""
    chosen = gdb.selected_thread()
    if chosen is None:
        raise NotThere("the server does not run; start it with: run")
    frame = gdb.selected_frame()
    found = []
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda one: one.num):
            thread.switch()
            walk = gdb.newest_frame()
            for _ in range(MOST_FRAMES):
                if walk is None:
                    break
                if walk.name() == name:
                    # A frame dies with the switch to another thread, a value lives on.
                    found.append((thread, {v: walk.read_var(v) for v in arguments(walk)}))
                    break
                walk = walk.older()
    finally:
        chosen.switch()
        frame.select()
    return found


def arguments(frame):
    """The names of a function's arguments."""
    block = frame.block()
    while block.function is None:
        block = block.superblock
    return [symbol.name for symbol in block if symbol.is_argument]


def event_loops():
    """Every I/O loop, by index: its EventLoop and whether the JavaScript thread drives it."""
    found = []
    for _, variables in frames_of("reactor_server::event_loop::ownership::Ownership::run"):
        ownership = variables["self"].dereference()
        event_loop = some(ownership["event_loop"]["data"]["value"])
        if event_loop is not None:
            found.append((event_loop, number(ownership["by_lane"]) != 0))
    if not found:
        raise NotThere("no I/O loop runs in this process")
    return sorted(found, key=lambda one: int(one[0]["index"]))


def occupied(slab):
    """Index and content of the taken places of a Slab."""
    for index, entry in enumerate(items(slab["entries"])):
        name, content = variant(entry)
        if name == "Occupied":
            yield index, content


def task_queue():
    """The channel of the worker pool."""
    event_loop, _ = event_loops()[0]
    pool = pointee(event_loop["pool"])
    _, receiver = variant(pool["receiver"]["flavor"])
    return pool, receiver["counter"].dereference()["chan"]


def queued(channel):
    """The tasks in a bounded crossbeam channel, the oldest first."""
    head, tail = number(channel["head"]), number(channel["tail"])
    mark, capacity = int(channel["mark_bit"]), int(channel["cap"])
    begin, end = head & (mark - 1), tail & (mark - 1)
    if begin == end:
        count = 0 if tail & ~mark == head else capacity
    else:
        count = (end - begin) % capacity
    slots = channel["buffer"]["data_ptr"]
    for nth in range(count):
        yield boxed(slots[(begin + nth) % capacity]["msg"])


def boxed(cell):
    """The Box inside cells and MaybeUninit."""
    while cell.type.strip_typedefs().code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        fields = [field for field in cell.type.fields() if field.type.sizeof > 0]
        cell = cell[fields[-1]]
    return cell.dereference()


# How things look.


def request_line(task):
    """Method and target of a task's request."""
    head, data = task["request"]["head"], octets(task["request"]["head_bytes"], 4096)
    parts = [data[int(head[at]["start"]) : int(head[at]["end"])] for at in ("method_token", "target")]
    return text(b" ".join(parts))[:60]


def place(where):
    """An ExchangeId: loop, slot, generation and the number of the exchange."""
    loop, conn = int(where["loop_index"]), where["conn"]
    slot, generation = int(conn["slot"]), int(conn["generation"])
    return f"loop {loop} slot {slot}.{generation} request {int(where['stream'])}"


def table(head, rows):
    """Columns as wide as they have to be; numbers stand to the right."""
    cells = [head, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for number_of, row in enumerate(cells):
        line = ""
        for column, cell in enumerate(row):
            right = rows and isinstance(rows[0][column], int)
            line += (cell.rjust if right else cell.ljust)(widths[column]) + "  "
        gdb.write(line.rstrip() + "\n")


def signed(value):
    return "yes" if value else ""


class Reactor(gdb.Command):
    """The engine of reactor-rs: loops, connections, queue, break, trace."""

    def __init__(self):
        super().__init__("reactor", gdb.COMMAND_DATA, prefix=True)


class Loops(gdb.Command):
    """reactor loops: the I/O loops, as each was at its last turn."""

    def __init__(self):
        super().__init__("reactor loops", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        rows = []
        for event_loop, by_lane in event_loops():
            reactor = event_loop["reactor"]
            services = reactor["services"]
            tasks = services["tasks"]
            counters = pointee(services["counters"])["value"]
            rows.append(
                (
                    int(event_loop["index"]),
                    "JavaScript" if by_lane else "its own",
                    number(counters["turns"]),
                    number(counters["requests"]),
                    int(reactor["conns"]["len"]),
                    int(tasks["out"]),
                    int(tasks["new"]["len"]),
                    int(services["memory"]["collected"]),
                    signed(services["draining"]),
                )
            )
        head = ["loop", "thread", "turns", "requests", "connections", "tasks out", "new tasks"]
        table([*head, "body bytes", "draining"], rows)


class Connections(gdb.Command):
    """reactor connections [LOOP]: open connections, of all loops or of one.

    In flight are requests that wait for their answers; input is what has been read
    of the next one, output what has not been sent. The state is the protocol, and of
    HTTP/1 what it reads and writes where that is not the usual."""

    def __init__(self):
        super().__init__("reactor connections", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if argument and not argument.isdigit():
            raise NotThere(f"reactor connections takes the number of a loop, not '{argument}'")
        rows = []
        for event_loop, _ in event_loops():
            if argument and int(event_loop["index"]) != int(argument):
                continue
            reactor = event_loop["reactor"]
            clock = reactor["services"]["clock"]
            now = (instant(clock["now"]) - instant(clock["start"])) // 1_000_000
            for slot, conn in occupied(reactor["conns"]):
                rows.append(self.row(int(event_loop["index"]), slot, conn, now))
        if not rows:
            gdb.write("no open connections\n")
            return
        head = ["loop", "slot", "gen", "fd", "peer", "phase", "for", "requests", "in flight"]
        table([*head, "input", "output", "state"], rows)

    def row(self, loop, slot, conn, now):
        core, timer = conn["core"], conn["core"]["timer"]
        state, requests, in_flight = self.protocol(conn["protocol"])
        state += [flag for flag in ("readable", "stalled") if core[flag]]
        out = core["out"]
        pieces = some(out["pieces"])
        unsent = int(out["buf"]["len"]) - int(out["sent"])
        unsent += int(pieces.dereference()["held"]) if pieces is not None else 0
        return (
            loop,
            slot,
            int(core["id"]["generation"]),
            number(variant(conn["link"])[1]),
            address(core["peer"]),
            variant(timer["phase"])[0],
            f"{max(now - int(timer['since']), 0)} ms",
            requests,
            in_flight,
            f'"{text(octets(core["input"], 24))}"',
            unsent,
            " ".join(state),
        )

    def protocol(self, protocol):
        """What it says, how many requests it has had, and how many are open."""
        name, state = variant(protocol)
        if name != "Http1":
            return [name], 0, 0
        reading, writing = variant(state["reading"])[0], variant(state["writing"])[0]
        words = [name]
        words += [reading] if reading != "Head" else []
        words += [writing] if writing != "Answers" else []
        ring = some(state["ring"])
        open_ = 0
        if ring is not None:
            ring = ring.dereference()
            open_ = int(ring["entries"]["len"]) - int(ring["ended"])
        return words, int(state["next_request"]), open_


class Queue(gdb.Command):
    """reactor queue: the tasks that wait for a worker, and the workers."""

    def __init__(self):
        super().__init__("reactor queue", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        pool, channel = task_queue()
        tasks = list(queued(channel))
        gdb.write(f"{len(tasks)} of {int(channel['cap'])} tasks are queued\n")
        for task in tasks:
            gdb.write(f"  {request_line(task)}  from {place(task['id'])}\n")
        idle = number(pool["idle"])
        running = {
            int(variables["self"].dereference()["index"]): variables["task"]
            for _, variables in frames_of("reactor_server::dispatch::worker::pool::Worker::run")
        }
        for _, variables in frames_of("reactor_server::dispatch::worker::pool::run"):
            index = int(variables["index"])
            state = "parked" if idle >> index & 1 else "awake"
            if index in running:
                state = f"runs {request_line(running[index].dereference())}"
            gdb.write(f"  worker {index}: {state}\n")


class Moment(gdb.Breakpoint):
    """A breakpoint that says what has come by; in a trace it does not stop."""

    stops = True

    def stop(self):
        try:
            line = self.line()
        except (gdb.error, RuntimeError) as error:
            line = f"?  ({error})"
        gdb.write(f"{self.what}: {line}\n")
        return Moment.stops

    def argument(self, name):
        return gdb.selected_frame().read_var(name)


class Accept(Moment):
    what = "accept"

    def line(self):
        services = self.argument("self").dereference()["services"]
        loop = int(services["settings"]["io_thread"])
        return f"{address(self.argument('peer'))}, fd {number(self.argument('io'))}, to loop {loop}"


class Dispatch(Moment):
    what = "dispatch"

    def line(self):
        task = self.argument("task").dereference()
        return f"{request_line(task)}, from {place(task['id'])}"


class Reply(Moment):
    what = "reply"

    def line(self):
        task = self.argument("task").dereference()
        return f"{int(task['response']['status'])}, to {place(task['id'])}"


REACTOR = "reactor_server::event_loop::reactor::Reactor<reactor_sys::stream::Stream>"
MOMENTS = [
    (Accept, f"{REACTOR}::accepted<reactor_sys::stream::Stream>"),
    (Dispatch, "reactor_server::dispatch::worker::pool::Pool::push"),
    (Reply, f"{REACTOR}::reply<reactor_sys::stream::Stream>"),
]


class Break(gdb.Command):
    """reactor break: stops where a connection comes to its loop, a task goes into the
    queue and its reply comes back to the loop. What an I/O thread answers by itself
    (static routes, errors) has neither of the last two."""

    def __init__(self):
        super().__init__("reactor break", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, from_tty):
        Moment.stops = True
        place_all()


class Trace(gdb.Command):
    """reactor trace: prints a line at each breakpoint of "reactor break" and goes on."""

    def __init__(self):
        super().__init__("reactor trace", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, from_tty):
        Moment.stops = False
        place_all()


def place_all():
    there = {type(one) for one in gdb.breakpoints() if one.is_valid()}
    for moment, function in MOMENTS:
        if moment not in there:
            moment(function=function)


for command in (Reactor, Loops, Connections, Queue, Break, Trace):
    command()
