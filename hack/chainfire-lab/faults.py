"""What goes wrong in a machine room, under load: nothing acknowledged is lost, nothing stale is read, and it heals."""

import os
import random
import shutil
import signal
import socket
import ssl
import sys
import threading
import time

from load import Load
from world import Authority, Failure, Refused, Skipped, b64, closes, expect, must, run, unb64, until


def killed_leader(world):
    """kill -9 of the leader under load, three times: the others go on, nothing acknowledged is lost"""
    world.up()
    pauses = []
    with Load(world, "killed") as load:
        load.wait_for(100)
        for _ in range(3):
            leader = world.leader()
            leader.stop(signal.SIGKILL)
            time.sleep(0.05)
            pauses.append(load.wait_for(30))
            world.start(leader.name)
            until(20, f"the return of {leader.name}", lambda leader=leader: world.get("x", leader.name))
            load.wait_for(100)
    return f"{load.check()}; writes were back after {', '.join(f'{pause:.2f}' for pause in pauses)} s"


def killed_all(world):
    """kill -9 of all three at once under load: what was acknowledged is there after the restart"""
    world.up()
    with Load(world, "all", names=["one", "two", "three"]) as load:
        for _ in range(2):
            load.wait_for(150)
            for member in world.running():
                member.send(signal.SIGKILL)
            for member in list(world.members.values()):
                member.wait(5)
            world.start()
            load.wait_for(50, seconds=30)
    return load.check()


def paused_leader(world):
    """SIGSTOP of the leader and SIGCONT after others lead: no stale read, no lease lost"""
    world.up()
    lease = world.post("/v3/lease/grant", {"TTL": "10"})["ID"]
    world.put("leased", "x", lease=lease)
    stop = threading.Event()
    kept = []

    def keep():
        at = 0
        while not stop.is_set():
            name = ["one", "two", "three"][at % 3]
            try:
                answer = world.post("/v3/lease/keepalive", {"ID": lease}, name, timeout=2)
                kept.append(answer["result"].get("TTL"))
            except (Refused, OSError, KeyError, ValueError):
                at += 1
            stop.wait(0.5)
    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        with Load(world, "paused") as load:
            for rest in (4, 6):
                load.wait_for(100)
                paused = world.leader()
                paused.send(signal.SIGSTOP)
                load.wait_for(100)
                time.sleep(rest)
                # A request of before the pause may be answered after it; what the paused one is asked now is new.
                world.put("newest", f"after {rest}", member=next(m.name for m in world.running() if m is not paused))
                paused.send(signal.SIGCONT)
                found = ask_again(world, "newest", paused.name)
                expect(found == f"after {rest}", f"the leader that was paused reads {found!r}")
                load.wait_for(100)
                until(20, "one leader for all", lambda: len({world.post("/v3/maintenance/status", {}, m.name)["leader"] for m in world.running()}) == 1)
        note = load.check()
    finally:
        stop.set()
        keeper.join(10)
    lost = not world.get("leased").get("kvs") or not all(int(ttl or 0) > 0 for ttl in kept)
    if world.against == "etcd" and lost:
        return f"{note}; etcd lost the lease, though it was kept alive (its issue 15247)"
    expect(kept and not lost, f"the lease was lost, though it was kept alive: {kept}")
    return note


def ask_again(world, key, name):
    """A linearizable read at one member; a refusal is no lie."""
    def read():
        answer = world.post("/v3/kv/range", {"key": b64(key)}, name, timeout=3)
        return [unb64(answer["kvs"][0]["value"])]
    return until(15, f"a read at {name}", read)[0]


def paused_follower(world):
    """SIGSTOP of a follower for a while: it does not disturb the others and catches up"""
    world.up()
    with Load(world, "follower", names=None) as load:
        load.wait_for(50)
        leader, paused = world.leader(), world.followers()[0]
        before = world.post("/v3/maintenance/status", {}, leader.name)["raftTerm"]
        paused.send(signal.SIGSTOP)
        time.sleep(4)
        paused.send(signal.SIGCONT)
        load.wait_for(100)
        after = world.post("/v3/maintenance/status", {}, leader.name)["raftTerm"]
        expect(before == after, f"the term went from {before} to {after}: the follower forced an election")
    world.put("caught up", "x", member=leader.name)
    until(10, "the paused follower's own copy", lambda: world.get("caught up", paused.name, serializable=True).get("kvs"))
    return load.check()


def terminated_leader(world):
    """SIGTERM of the leader: leadership goes first, writes hardly notice"""
    world.up()
    gaps = []
    with Load(world, "terminated") as load:
        for _ in range(2):
            load.wait_for(100)
            leader = world.leader()
            term = raft_term(world, leader.name)
            began = time.monotonic()
            code = leader.stop(signal.SIGTERM)
            # etcd ends by the signal itself; a service manager takes both for success.
            expect(code in ((0, -signal.SIGTERM) if world.against == "etcd" else (0,)), f"SIGTERM ended {leader.name} with {code}")
            load.wait_for(50)
            gaps.append(max(gap for gap, when in load.gaps if when > began))
            after = raft_term(world, next(m.name for m in world.running()))
            # One election, which it asked for; who is merely gone is waited for, and often more than one asks to follow it.
            expect(after == term + 1, f"the term went from {term} to {after}")
            if world.against == "plasma":
                expect(f"is follower of term {term + 1}" in leader.tail(40), f"{leader.name} did not see who took over:\n{leader.tail(20)}")
            world.start(leader.name)
            until(20, f"the return of {leader.name}", lambda leader=leader: world.get("x", leader.name))
    note = load.check()
    if world.against == "plasma":
        expect(max(gaps) < 2, f"writes paused for {max(gaps):.2f} s")
    return f"{note}; writes paused for at most {max(gaps):.2f} s"


def rotated_certificates(world):
    """new certificates, and then a new authority, under load and without a restart; a broken file changes nothing"""
    world.up()
    with Load(world, "rotated") as load:
        load.wait_for(50)
        for member in world.running():
            world.ca.issue(member.name, member.certificate, member.key, [member.address, "127.0.0.1"])
        fingerprints = {member.name: fingerprint(member.certificate) for member in world.running()}
        load.wait_for(50)
        for member in world.running():
            until(30, f"the new certificate of {member.name}", lambda member=member: served(world, member) == fingerprints[member.name])
        # Peers meet anew with the new ones.
        leader = world.leader()
        leader.stop(signal.SIGKILL)
        load.wait_for(30)
        world.start(leader.name)
        until(20, f"the return of {leader.name}", lambda: world.get("x", leader.name))
        if world.against == "plasma":
            # etcd closes every new connection while a file is broken; ours keeps the old.
            broken = world.members["two"]
            kept = open(broken.certificate).read()
            with open(broken.certificate, "w") as file:
                file.write("-----BEGIN CERTIFICATE-----\nbroken\n")
            time.sleep(3)
            expect(served(world, broken) == fingerprints["two"], "the old certificate is not served beside a broken file")
            with open(broken.certificate, "w") as file:
                file.write(kept)
            other_authority(world, load)
        load.wait_for(50)
    return load.check()


def other_authority(world, load):
    """The bundle holds both authorities first, then certificates of the new one are handed out."""
    fresh = Authority(world.home, "fresh")
    with open(world.ca.certificate, "a") as bundle, open(fresh.certificate) as more:
        bundle.write(more.read())
    time.sleep(3)
    for member in world.running():
        fresh.issue(member.name, member.certificate, member.key, [member.address, "127.0.0.1"])
    fresh.issue("tester", world.client_certificate, world.client_key)
    for member in world.running():
        until(30, f"the new authority's certificate at {member.name}",
              lambda member=member: served(world, member) == fingerprint(member.certificate))
    (follower := world.followers()[0]).stop(signal.SIGKILL)
    world.start(follower.name)
    until(20, f"the return of {follower.name} under the new authority", lambda: world.get("x", follower.name))
    load.wait_for(50)


def fingerprint(path):
    with open(path) as file:
        return ssl.PEM_cert_to_DER_cert(file.read())


def served(world, member):
    with socket.create_connection((member.address, 2379), timeout=5) as raw:
        with world.context().wrap_socket(raw, server_hostname=member.address) as secure:
            return secure.getpeercert(binary_form=True)


def garbage(world):
    """garbage on every port, with TLS and without, closes that connection and nothing else, and is counted"""
    world.up()
    dice = random.Random(1)
    pieces = [b"\0" * 4096, b"GET / HTTP/9.9\r\n\r\n", dice.randbytes(65536), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + dice.randbytes(20000),
              b"\x16\x03\x01\xff\xff" + dice.randbytes(5000)]
    ports = {2379: 'port_garbage_total{port="client"}', 2380: "replica_peer_garbage_total", 2381: 'port_garbage_total{port="metrics"}'}
    # etcd reads on within TLS, and does not count.
    ours = world.against == "plasma"
    with Load(world, "garbage") as load:
        for member in world.running():
            for port, counter in ports.items():
                before = ours and world.metric(counter, member.name)
                thrown = [(piece, context) for context in ([None] if port == 2381 else [None, world.context()]) for piece in pieces]
                for piece, context in thrown:
                    is_closed = throw(member.address, port, piece, context)
                    expect(is_closed or not ours, f"{member.name} reads on port {port} after {piece[:20]}{' in TLS' if context else ''}")
                counted = ours and world.metric(counter, member.name) - before
                expect(counted >= len(thrown) or not ours, f"{member.name} counted {counted:.0f} of {len(thrown)} on port {port}")
            load.wait_for(30)
        idle = [socket.create_connection((world.members["one"].address, port)) for port in (2379, 2380) for _ in range(200)]
        load.wait_for(50)
        for connection in idle:
            connection.close()
    expect(len(world.running()) == 3, "a member ended")
    return load.check()


def throw(address, port, piece, context=None):
    """Whether the connection is closed, sooner than one that says nothing."""
    raw = socket.create_connection((address, port), timeout=3)
    with context.wrap_socket(raw, server_hostname=address) if context else raw as connection:
        try:
            connection.sendall(piece)
        except OSError:
            # Closed before it had all: `closes` will see it.
            pass
        return closes(connection, 2)


def full_disk(world):
    """a full filesystem under one member, the leader: reads go on, writes resume by themselves when space returns"""
    world.reset()
    small = os.path.join(world.home, "small")
    os.makedirs(small)
    must(["mount", "-t", "tmpfs", "-o", "size=192m", "tmpfs", small])
    try:
        return with_small_disk(world, small)
    finally:
        world.clear()
        must(["umount", small])


def with_small_disk(world, small):
    world.start("one", "two")
    world.start("three", data=os.path.join(small, "data"))
    for name in ("one", "two", "three"):
        until(40, f"a read at {name}", lambda name=name: world.get("x", name))
    world.plasma("member", "transfer", "three")
    with Load(world, "full") as load:
        load.wait_for(50)
        fill = os.path.join(small, "fill")
        fill_filesystem(fill)
        # Enough to use up what the log has reserved.
        burst(world, 96)
        load.wait_for(50, seconds=30, what="writes with the full member set aside")
        expect(world.members["three"].is_running, "the member with the full disk ended")
        expect(world.get("x", "three", serializable=True)["header"], "the member with the full disk does not read")
        os.unlink(fill)
        load.wait_for(50)
        revision = int(world.get("x", "one")["header"]["revision"])
        until(60, "the third member's catching up", lambda: int(world.get("x", "three", serializable=True)["header"]["revision"]) >= revision)
        until(30, "a write at the member that was full", lambda: world.put("y", "1", "three"))
    return load.check()


def fill_filesystem(path):
    """Writes zeros until there is no room."""
    with open(path, "wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass


def burst(world, mebibytes):
    for index in range(mebibytes):
        try:
            world.post("/v3/kv/put", {"key": b64(f"burst/{index % 8}"), "value": b64("x" * 1000_000)}, "one", timeout=10)
        except (Refused, OSError, ValueError):
            pass


def full_disk_everywhere(world):
    """full filesystems under all: writes get etcd's words, reads go on, and writes resume by themselves"""
    world.clear()
    small = os.path.join(world.home, "small")
    os.makedirs(small, exist_ok=True)
    must(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", small])
    try:
        for name in ("one", "two", "three"):
            world.start(name, data=os.path.join(small, name))
        for name in ("one", "two", "three"):
            until(40, f"a read at {name}", lambda name=name: world.get("x", name))
        world.put("before", "1")
        fill = os.path.join(small, "fill")
        fill_filesystem(fill)
        for member in world.running():
            refused = fill_up(world, member.name)
            expect((refused.code, refused.message) == (8, "etcdserver: mvcc: database space exceeded"),
                   f"a write without space was refused by {member.name} with {refused}")
            until(10, f"a read at {member.name}", lambda member=member: world.get("before", member.name).get("kvs"))
        expect(len(world.running()) == 3, "a member ended")
        os.unlink(fill)
        until(30, "writes by themselves", lambda: world.put("after", "1"))
    finally:
        world.clear()
        must(["umount", small])


def fill_up(world, name):
    """The first refusal of a write at a member."""
    for index in range(400):
        try:
            world.post("/v3/kv/put", {"key": b64(f"fill/{index % 4}"), "value": b64("x" * 1000_000)}, name, timeout=15)
        except Refused as refused:
            return refused
    raise Failure("400 MB were written to a filesystem that is full")


# Loaded into a member: each sync takes 0.3 s longer while a file is there. That is more than half of the time after which
# members elect another leader, so that it is slow, and less than all of it.
SLOW_DISK = """
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int slowly(long call, int file) {
    if (access(getenv("SLOW_DISK"), F_OK) == 0) usleep(300000);
    return syscall(call, file);
}
int fdatasync(int file) { return slowly(SYS_fdatasync, file); }
int fsync(int file) { return slowly(SYS_fsync, file); }
"""


def slow_disk(world):
    """the leader's disk becomes slow: it hands leadership over, writes go on, and it has all of them in the end"""
    if shutil.which("gcc") is None:
        raise Skipped("there is no gcc, which makes the disk slow: hack/setup build installs it")
    world.reset()
    library, slow = os.path.join(world.home, "slow.so"), os.path.join(world.home, "slow")
    must(["gcc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], stdin=SLOW_DISK)
    world.start("one", "two")
    world.start("three", environment={**os.environ, "LD_PRELOAD": library, "SLOW_DISK": slow})
    world.up()
    world.plasma("member", "transfer", "three")
    with Load(world, "slow") as load:
        load.wait_for(50)
        term = raft_term(world, "three")
        open(slow, "w").close()
        began = time.monotonic()
        try:
            until(15, "another leader", lambda: world.leader() is not world.members["three"])
            took = time.monotonic() - began
            load.wait_for(100, what="writes beside the slow disk")
            expect("the disk is slow: leadership is handed over" in world.members["three"].tail(1000), "three lost its leadership otherwise")
            expect(raft_term(world, "one") == term + 1, f"the term went from {term} to {raft_term(world, 'one')}")
        finally:
            os.unlink(slow)
        load.wait_for(50)
    world.put("caught up", "x", member="one")
    until(20, "all writes at the disk that was slow", lambda: world.get("caught up", "three", serializable=True).get("kvs"))
    return f"{load.check()}; another led after {took:.1f} s"


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

/* The wall clock stands aside by as many seconds as a file says. */
static long aside(void) {
    FILE *file = fopen(getenv("CLOCK_JUMP"), "re");
    long seconds = 0;
    if (!file) return 0;
    if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    fclose(file);
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += aside();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*next)(struct timeval *, void *);
    if (!next) next = dlsym(RTLD_NEXT, "gettimeofday");
    int result = next(now, zone);
    if (result == 0) now->tv_sec += aside();
    return result;
}
"""


def clock_jumps(world):
    """the wall clocks of all members jump by a day, forth and back, together and apart: same leader, same term, leases last as long as ever"""
    if shutil.which("gcc") is None:
        raise Skipped("there is no gcc, which makes the clocks jump: hack/setup build installs it")
    world.reset()
    library = os.path.join(world.home, "clock.so")
    must(["gcc", "-shared", "-fPIC", "-o", library, "-x", "c", "-", "-ldl"], stdin=CLOCK)
    jumps = {name: os.path.join(world.home, f"clock-{name}") for name in ("one", "two", "three")}
    for name, path in jumps.items():
        world.start(name, environment={**os.environ, "LD_PRELOAD": library, "CLOCK_JUMP": path})
    world.up()
    leader, term = world.leader(), raft_term(world, "one")
    asked = time.monotonic()
    lease = world.post("/v3/lease/grant", {"TTL": "60"})["ID"]
    granted = time.monotonic()
    world.put("leased", "x", lease=lease)
    with Load(world, "clocks") as load:
        load.wait_for(50)
        for seconds in ({"one": 86400, "two": 86400, "three": 86400}, {"one": -86400, "two": 0, "three": 86400}, {"one": 0, "two": -86400, "three": 0}):
            for name, path in jumps.items():
                with open(path + ".new", "w") as file:
                    file.write(str(seconds[name]))
                os.replace(path + ".new", path)
            load.wait_for(100)
            time.sleep(1.5)
            left = int(world.post("/v3/lease/timetolive", {"ID": lease})["TTL"])
            least, most = 60 - (time.monotonic() - asked) - 2, 60 - (time.monotonic() - granted) + 2
            expect(least <= left <= most, f"{left} s are left of 60, where {least:.1f} to {most:.1f} were expected")
    # That the clocks do jump: the members have loaded what makes them, and any program that loads it shows it.
    for name, path in jumps.items():
        with open(f"/proc/{world.members[name].process.pid}/maps") as file:
            expect(library in file.read(), f"the clock of {name} never jumped")
    shown = must([sys.executable, "-c", "import time; print(time.time())"], environment={**os.environ, "LD_PRELOAD": library, "CLOCK_JUMP": jumps["two"]})
    expect(abs(float(shown.out) + 86400 - time.time()) < 60, f"a clock that jumped back a day shows {shown.out}")
    expect(world.leader() is leader and raft_term(world, "one") == term, "the jumps made another leader")
    expect(world.get("leased").get("kvs"), "the leased key went with the jump")
    return load.check()


def raft_term(world, name):
    return int(world.post("/v3/maintenance/status", {}, name)["raftTerm"])


def wiped_disk(world):
    """a member whose disk was wiped is refused under its old identity: it ends, as often as it is started, and never votes"""
    world.up()
    victim = world.followers()[0]
    with Load(world, "wiped", names=[m.name for m in world.running() if m is not victim]) as load:
        load.wait_for(50)
        victim.stop(signal.SIGKILL)
        shutil.rmtree(victim.data)
        for _ in range(2):
            world.start(victim.name)
            disowned(victim)
        load.wait_for(50)
        # One more down: two of three are gone, and the wiped one must not help.
        other = next(m for m in world.running() if m is not victim)
        other.send(signal.SIGSTOP)
        world.start(victim.name)
        time.sleep(3)
        before = load.acknowledged
        time.sleep(4)
        expect(load.acknowledged == before, "writes went on with one of three: the wiped member voted")
        other.send(signal.SIGCONT)
        load.wait_for(50, seconds=30)
        if victim.process is not None:
            disowned(victim)
    return load.check()


def disowned(member):
    """A member with an empty disk ends by itself and says why."""
    code = member.wait(20)
    expect(code == 1 and "this disk is not the one that the others know this member with" in member.tail(), f"exit code {code}:\n{member.tail()}")


def wiped_majority(world):
    """two of three lose their disks: they do not begin the cluster anew, the third being away or there, and nothing acknowledged is lost"""
    world.up()
    world.put("precious", "x", member="one")
    until(20, "the key at three", lambda: world.get("precious", "three", serializable=True).get("kvs"))
    # In its database, and not in its log alone: it will reach nobody who says what is committed.
    world.members["three"].stop()
    for name in ("one", "two"):
        world.members[name].stop(signal.SIGKILL)
        shutil.rmtree(world.members[name].data)
    # Together, so that each could be the other's majority; and they tell for whom they wait.
    world.start("one", "two")
    for name in ("one", "two"):
        def told(name=name):
            done = run(["curl", "-sk", "--max-time", "3", f"http://{world.members[name].address}:2381/health"])
            return "the cluster begins with all its members, and three was not met yet" in done.text
        until(20, f"the reason at {name}", told)
    time.sleep(5)
    for name in ("one", "two"):
        status = world.post("/v3/maintenance/status", {}, name)
        expect(status.get("leader", "0") in ("0", 0), f"{name} began the cluster anew: {status}")
    world.start("three")
    for name in ("one", "two"):
        disowned(world.members[name])
    # Whenever they are started again, too.
    world.start("one", "two")
    for name in ("one", "two"):
        disowned(world.members[name])
    kept = world.get("precious", "three", serializable=True)["kvs"][0]
    expect(unb64(kept["value"]) == "x", f"three lost it: {kept}")


def replaced_member(world):
    """replacement of a member under load: the new one catches up, becomes a voter, and the old one is gone"""
    world.up()
    with Load(world, "replaced", names=["one", "two"]) as load:
        load.wait_for(200)
        old = world.members["three"]
        old.stop(signal.SIGKILL)
        four = world.member("four")
        if world.against == "etcd":
            listed = world.ctl("member", "list", "-w", "json", endpoints=["one"]).json["members"]
            gone = f"{next(m['ID'] for m in listed if m['name'] == 'three'):x}"
            until(20, "the removal of the old member", lambda: run(world.etcdctl_command(
                "member", "remove", gone, endpoints=["one"])).code == 0)
            # Refused until etcd has seen for a while that the two others are well.
            until(20, "the addition of the new member", lambda: run(world.etcdctl_command(
                "member", "add", "four", "--peer-urls", four.peer, endpoints=["one"])).code == 0)
            peers = {name: world.members[name].peer for name in ("one", "two", "four")}
            world.start("four", existing=",".join(f"{name}={url}" for name, url in peers.items()))
        else:
            world.plasma("member", "replace", "three", "four", "--peer-urls", four.peer, endpoints=["one", "two"])
            listed = world.plasma("member", "list", "-o", "json", endpoints=["one", "two"]).json["members"]
            expect(sorted((m["name"], m["learner"]) for m in listed) == [("four", True), ("one", False), ("three", False), ("two", False)],
                   f"the old one left before the new one had caught up: {listed}")
            world.start("four", join={"leader_url": world.members["one"].client})
        until(40, "a linearizable read at the new member", lambda: world.get("x", "four"))

        def settled():
            found = world.ctl("member", "list", "-w", "json", endpoints=["one"]).json["members"]
            return sorted(m.get("name", "") for m in found) == ["four", "one", "two"] and not any(m.get("isLearner") for m in found)
        until(40, "three voters, the new one among them", settled)
        load.wait_for(50)
        # Now the new one is needed for a majority.
        world.members["two"].stop(signal.SIGKILL)
        load.names = ["one", "four"]
        load.wait_for(50, seconds=30)
    load.names = ["one", "four"]
    return load.check()

SCENARIOS = [(killed_leader, 120), (killed_all, 120), (paused_leader, 120), (paused_follower, 60), (terminated_leader, 90),
             (rotated_certificates, 150), (garbage, 90), (replaced_member, 150), (full_disk, 150), (full_disk_everywhere, 120),
             (slow_disk, 90), (clock_jumps, 90), (wiped_disk, 90), (wiped_majority, 90)]
# etcd ends on a full disk, leads on with a slow one, and takes a wiped member back into its votes.
OURS = [full_disk, full_disk_everywhere, slow_disk, clock_jumps, wiped_disk, wiped_majority]
ALONE = [rotated_certificates, replaced_member, full_disk, full_disk_everywhere, slow_disk, clock_jumps, wiped_disk, wiped_majority]
