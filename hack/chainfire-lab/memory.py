"""Clients in crowds, clients that do not read, requests without end: the memory of a member stays bounded."""

import concurrent.futures
import http.client
import resource
import socket
import ssl
import struct
import time

from world import Failure, Refused, Skipped, closes, expect, unb64, until

MIB = 1 << 20
IDLE = 10_000


def resident(member):
    """Bytes of a member's process that are in memory."""
    with open(f"/proc/{member.process.pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise Failure(f"{member.name} has no memory")


def shown(count):
    return f"{count / MIB:.0f} MiB"


class Peak:
    """The most that a member had in memory since."""

    def __init__(self, member):
        self.member, self.before, self.most = member, resident(member), 0

    def look(self):
        self.most = max(self.most, resident(self.member))
        return self.most

    @property
    def grown(self):
        return self.most - self.before


# HTTP/2 by hand: what no library does is what is wanted here.

def frame(kind, payload=b"", flags=0, stream=0):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


# A window of 2^31 - 1 for every stream, and nearly as much for the connection: nothing but the socket holds the server back.
PREFACE = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, struct.pack(">HI", 4, (1 << 31) - 1))
           + frame(8, struct.pack(">I", (1 << 31) - 1 - 65_535)))


def headers(path):
    """Never indexed, without Huffman (RFC 7541 section 6.2.2)."""
    fields = [(":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "lab"),
              ("content-type", "application/grpc"), ("te", "trailers")]
    return b"".join(b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, value):
    """A field of a protobuf message: a length and bytes, or a number."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def message(body):
    return b"\0" + struct.pack(">I", len(body)) + body


def call(stream, path, body, ends=True):
    return frame(1, headers(path), 4, stream) + frame(0, message(body), 1 if ends else 0, stream)


def dial(world, member, context, buffer=None):
    raw = socket.socket()
    if buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    # Else each small piece waits for the acknowledgement of the one before.
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.settimeout(30)
    raw.connect((member.address, 2379))
    return context.wrap_socket(raw, server_hostname=member.address)


def speaks_http2(world):
    context = world.context()
    context.set_alpn_protocols(["h2"])
    return context


def idle_connections(world):
    """10,000 idle connections with TLS and HTTP/2: the member answers as before, and its memory grows by some KiB for each"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < IDLE + 500:
        raise Skipped(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000) if hard != resource.RLIM_INFINITY else 20_000, hard))
    world.up()
    leader = world.leader()
    world.put("idle", "before", member=leader.name)
    before = resident(leader)
    context = speaks_http2(world)
    open_ones = []

    def connect(_):
        one = dial(world, leader, context)
        one.sendall(PREFACE)
        # The server's settings: it speaks HTTP/2 with us, and waits.
        expect(one.recv(9)[3:4] == b"\x04", "no settings came")
        open_ones.append(one)
    start = time.monotonic()
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(connect, range(IDLE)))
        took = time.monotonic() - start
        full = resident(leader)
        slowest = 0
        for number in range(50):
            asked = time.monotonic()
            world.put("idle", str(number), member=leader.name)
            slowest = max(slowest, time.monotonic() - asked)
        expect(unb64(world.get("idle", leader.name)["kvs"][0]["value"]) == "49", "a write was lost")
    finally:
        for one in open_ones:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    time.sleep(2)
    after = resident(leader)
    each = (full - before) / IDLE
    expect(slowest < 2, f"a write took {slowest:.1f} s beside them")
    expect(each < 128 * 1024, f"{each / 1024:.0f} KiB for each")
    return (f"{shown(before)} before, {shown(full)} with {IDLE} connections ({each / 1024:.0f} KiB each, opened in {took:.0f} s), "
            f"{shown(after)} after; the slowest of 50 writes took {slowest * 1000:.0f} ms")


def slow_readers(world):
    """watchers and readers that take nothing, while much is written: memory is bounded, and those who read get everything"""
    world.up()
    leader = world.leader()
    context = speaks_http2(world)
    crowd = []
    peak = Peak(leader)
    healthy = world.etcdctl("watch", "slow/", "--prefix", endpoints=[leader.name])
    try:
        create = field(1, field(1, b"slow/") + field(2, b"slow0"))
        for _ in range(100):
            one = dial(world, leader, context, buffer=64 * 1024)
            one.sendall(PREFACE + call(1, "/etcdserverpb.Watch/Watch", create, ends=False))
            crowd.append(one)
        value = "v" * (256 * 1024)
        # 64 MiB for each of a hundred watchers, if they were given it.
        for number in range(256):
            world.put(f"slow/{number % 4}", value, member=leader.name)
            if number % 16 == 0:
                peak.look()
        watched = shown(peak.look() - peak.before)
        lines = 0
        deadline = time.monotonic() + 60
        while lines < 256 * 3 and time.monotonic() < deadline:
            if not healthy.stdout.readline():
                break
            lines += 1
        expect(lines == 256 * 3, f"who reads got {lines // 3} of 256 events")
        expect(peak.grown < 400 * MIB, f"{shown(peak.grown)} for a hundred watchers that do not read")
        # 1 MiB each time, 200 times, to each of a hundred.
        ask = b"".join(call(stream, "/etcdserverpb.KV/Range", field(1, b"slow/") + field(2, b"slow0")) for stream in range(3, 403, 2))
        refused = 0
        for one in crowd:
            try:
                one.sendall(ask)
            except OSError:
                # It was closed already.
                pass
            peak.look()
        for _ in range(100):
            try:
                world.put("other", "x", member=leader.name)
            except (Refused, OSError, http.client.HTTPException):
                refused += 1
            peak.look()
            time.sleep(0.05)
        until(20, "an answer to who reads", lambda: world.put("other", "y", member=leader.name)["header"])
    finally:
        for one in crowd:
            one.close()
        healthy.kill()
    expect(peak.grown < 768 * MIB, f"{shown(peak.grown)} for a hundred clients that ask and do not read ({watched} for their watches)")
    return (f"{shown(peak.before)} before; {watched} more with 100 watchers that read nothing of 6400 MiB, at most {shown(peak.grown)} more "
            f"when each asked for 200 MiB besides; {refused} of 100 writes of others were refused meanwhile")


def frames(one):
    """What comes: the kind, flags and stream of each frame, and its payload."""
    def exactly(count):
        data = b""
        while len(data) < count:
            piece = one.recv(count - len(data))
            if not piece:
                raise Failure("the connection was closed")
            data += piece
        return data
    while True:
        head = exactly(9)
        yield head[3], head[4], int.from_bytes(head[5:], "big"), exactly(int.from_bytes(head[:3], "big"))


def slow_stream(world):
    """two watches on one connection, of which one is never given window: the other is told everything at once"""
    world.up()
    leader = world.leader()
    one = dial(world, leader, speaks_http2(world))
    # Windows of 64 KiB for each stream, and nearly 2^31 for all.
    one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4) + frame(8, struct.pack(">I", (1 << 31) - 1 - 65_535)))
    for stream, prefix in ((1, b"stuck/"), (3, b"quick/")):
        one.sendall(call(stream, "/etcdserverpb.Watch/Watch", field(1, field(1, prefix) + field(2, prefix[:-1] + b"0")), ends=False))
    got = {1: b"", 3: b""}
    coming = frames(one)

    def read_until(stream, word):
        while word not in got[stream]:
            kind, _, of, payload = next(coming)
            if kind == 0:
                got[of] += payload
    try:
        read_until(1, b"\x18\x01")
        read_until(3, b"\x18\x01")
        slowest = 0
        for number in range(32):
            world.put("stuck/x", "s" * 262_144, member=leader.name)
            started = time.monotonic()
            world.put("quick/x", f"event {number} of 32", member=leader.name)
            read_until(3, f"event {number} of 32".encode())
            slowest = max(slowest, time.monotonic() - started)
        expect(len(got[1]) < 70_000, f"{len(got[1])} bytes came to a stream without window")
        expect(slowest < 2, f"an event took {slowest:.1f} s beside a stream that is not read")
    finally:
        one.close()
    return f"the slowest of 32 events took {slowest * 1000:.0f} ms, {len(got[1])} bytes lie before the stuck stream"


# "grpc-status: 8" of a refused message's trailers, two strings with their lengths (RFC 7541, section 6.2.2).
EXHAUSTED = b"\x0bgrpc-status\x018"


def pour(one, piece, peak):
    """Sends 100 MiB whatever was answered: the other side keeps little, and closes in the end."""
    try:
        for _ in range(100 * MIB // len(piece)):
            one.sendall(piece)
            peak.look()
    except TimeoutError:
        raise Failure("what is sent is neither taken nor refused") from None
    except OSError:
        # It was closed already.
        pass
    expect(closes(one, 5), "a connection stays open after a request that was refused")
    one.close()


def large_requests(world):
    """requests of 100 MiB on both ports are refused at their first bytes, and cost no memory"""
    world.up()
    leader = world.leader()
    peak = Peak(leader)
    context = speaks_http2(world)
    # gRPC: a message that says it will have 100 MiB, and is refused before any of them is there.
    one = dial(world, leader, context)
    one.sendall(PREFACE + frame(1, headers("/etcdserverpb.KV/Put"), 4, 1) + frame(0, b"\0" + struct.pack(">I", 100 * MIB), 0, 1))
    one.settimeout(5)
    try:
        coming = frames(one)
        trailers = next(payload for kind, _, stream, payload in coming if (kind, stream) == (1, 1))
        expect(EXHAUSTED in trailers, f"the message was answered by {trailers}")
        next(kind for kind, _, stream, _ in coming if (kind, stream) == (3, 1))
    except TimeoutError:
        raise Failure("a message of 100 MiB was not refused at its first bytes, by trailers and a reset") from None
    pour(one, frame(0, b"x" * 16_384, 0, 1) * 16, peak)
    # HTTP/1.1, announced, and in pieces: not one byte is needed, and not more than the limit of 4 MiB.
    chunk = b"%x\r\n%s\r\n" % (MIB, b"x" * MIB)
    for header, first, rest in ((b"Content-Length: %d" % (100 * MIB), b"", b"x" * MIB), (b"Transfer-Encoding: chunked", chunk * 5, chunk)):
        one = dial(world, leader, world.context())
        one.sendall(b"POST /v3/kv/put HTTP/1.1\r\nHost: lab\r\n" + header + b"\r\n\r\n" + first)
        one.settimeout(5)
        try:
            said = one.recv(65_536)
        except TimeoutError:
            said = b"nothing"
        expect(said.startswith(b"HTTP/1.1 413 "), f"{header} was answered by {said}")
        pour(one, rest, peak)
    # What is larger than etcd's own limit, said in etcd's words.
    try:
        world.put("large", "x" * (1536 * 1024 + 1), member=leader.name)
        raise Failure("a value of more than 1.5 MiB was taken")
    except Refused as refused:
        expect("request is too large" in refused.message, f"{refused}")
    # The peers' port: a frame that says it will have 100 MiB.
    raw = socket.create_connection((leader.address, 2380), timeout=10)
    peers = ssl.create_default_context(cafile=world.ca.certificate)
    peers.load_cert_chain(world.client_certificate, world.client_key)
    secure = peers.wrap_socket(raw, server_hostname=leader.address)
    expect(not closes(secure, 0.5), "the peers' port does not listen to what a frame says")
    secure.sendall(struct.pack("<II", 100 * MIB, 0) + b"x" * 1024)
    # Sooner than one that says nothing.
    expect(closes(secure, 3), "the peers' port goes on listening")
    secure.close()
    peak.look()
    expect(world.leader().name == leader.name, "the leader fell")
    expect(peak.grown < 64 * MIB, f"{shown(peak.grown)} more for what was refused")
    return f"{shown(peak.before)} before, at most {shown(max(0, peak.grown))} more"


SCENARIOS = [(idle_connections, 300), (slow_stream, 90), (slow_readers, 180), (large_requests, 90)]
# etcd has no such bounds over all connections, and answers otherwise.
OURS = [slow_readers, large_requests]
ALONE = [slow_readers]
