"""Writers, registers and a watcher that go on while a cluster is tormented, and the judge of what they saw.

Everything acknowledged is noted with the time before the request and after the answer. etcd's revisions give each
write its place in one order, so that linearizability of a register is checked exactly: a read must show the newest
write at or before its own place, and nobody who asks later may be shown an earlier place.
"""

import http.client
import json
import random
import threading
import time

from world import Failure, Refused, ask, b64, expect, prefix_end, unb64

LOST = (OSError, http.client.HTTPException, Refused, ValueError)


class Caller:
    """A connection to one of some members; the next is taken when one fails."""

    def __init__(self, world, seed, names):
        self.world, self.names = world, list(names)
        self.at = seed % len(self.names)
        self.connection = None

    def call(self, path, body, timeout=4):
        try:
            if self.connection is None:
                self.connection = self.world.connection(self.names[self.at], timeout)
            return ask(self.connection, path, body)
        except LOST as error:
            # A plain refusal says nothing against the connection, but another member may do better.
            self.close()
            self.at = (self.at + 1) % len(self.names)
            raise error

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Load:
    """A load from `with` to its end; then `check` judges. Each has keys of its own below /load/NAME/."""

    def __init__(self, world, name, writers=3, registers=2, clients=3, pause=0.002, names=None):
        self.world, self.root, self.pause = world, f"/load/{name}/", pause
        self.names = names or [member.name for member in world.running()]
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.written = {}        # key -> (value, revision), acknowledged
        self.register_ops = {}   # key -> [operation]
        self.events = []         # of the watcher: (revision, key, value)
        self.watch_faults = []
        self.gaps = []           # (seconds between two acknowledgements of one writer, when)
        self.refusals = {}
        self.faults = []
        self.threads = [threading.Thread(target=self.guard, args=(self.write, i)) for i in range(writers)]
        self.threads += [threading.Thread(target=self.guard, args=(self.use_registers, i, registers)) for i in range(clients)]
        self.threads.append(threading.Thread(target=self.guard, args=(self.watch, 0)))

    def __enter__(self):
        self.first_revision = int(self.world.get("load", member=self.names[0])["header"]["revision"])
        for thread in self.threads:
            thread.daemon = True
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
            if thread.is_alive() and kind is None:
                raise Failure("a thread of the load did not end within 20 s")

    def guard(self, body, *arguments):
        try:
            body(*arguments)
        except Exception as error:  # noqa: BLE001 - what a thread throws nobody else would see
            self.faults.append(f"{type(error).__name__}: {error}")

    @property
    def acknowledged(self):
        return len(self.written)

    def wait_for(self, more, seconds=20, what="further acknowledged writes"):
        """Until so many more writes were acknowledged: returns how long that took."""
        began, goal = time.monotonic(), self.acknowledged + more
        while self.acknowledged < goal:
            if time.monotonic() - began > seconds:
                raise Failure(f"{more} {what} did not come within {seconds} s; refusals so far: {self.refusals}")
            time.sleep(0.01)
        return time.monotonic() - began

    def refused(self, error):
        text = str(error)[:120]
        with self.lock:
            self.refusals[text] = self.refusals.get(text, 0) + 1

    def write(self, number):
        caller, sequence, last = Caller(self.world, number, self.names), 0, time.monotonic()
        while not self.stopping.is_set():
            key, value = f"{self.root}w{number}/{sequence:08}", f"{number}-{sequence}-" + "x" * 64
            sequence += 1
            try:
                answer = caller.call("/v3/kv/put", {"key": b64(key), "value": b64(value)})
            except LOST as error:
                self.refused(error)
                time.sleep(0.05)
                continue
            now = time.monotonic()
            with self.lock:
                self.written[key] = (value, int(answer["header"]["revision"]))
                self.gaps.append((now - last, now))
            last = now
            time.sleep(self.pause)
        caller.close()

    def use_registers(self, number, registers):
        """Reads, writes and compare-and-swaps; each value is written once only."""
        caller, dice, sequence = Caller(self.world, number + 1, self.names), random.Random(number), 0
        seen = {}
        while not self.stopping.is_set():
            key, value = f"{self.root}r{dice.randrange(registers)}", f"c{number}-{sequence}"
            sequence += 1
            kind = dice.choice(["read", "read", "write", "swap"])
            operation = {"kind": kind, "client": number, "value": value, "began": time.monotonic_ns(), "ended": None}
            try:
                if kind == "read":
                    self.read(caller, key, operation)
                elif kind == "write":
                    answer = caller.call("/v3/kv/put", {"key": b64(key), "value": b64(value)})
                    operation["place"] = int(answer["header"]["revision"])
                else:
                    self.swap(caller, key, seen.get(key, 0), operation)
            except LOST as error:
                self.refused(error)
                time.sleep(0.05)
            else:
                operation["ended"] = time.monotonic_ns()
                if "place" in operation:
                    seen[key] = operation["place"]
            with self.lock:
                self.register_ops.setdefault(key, []).append(operation)
            time.sleep(self.pause)
        caller.close()

    @staticmethod
    def read(caller, key, operation):
        answer = caller.call("/v3/kv/range", {"key": b64(key)})
        found = answer.get("kvs", [])
        operation["value"] = unb64(found[0]["value"]) if found else None
        operation["place"] = int(found[0]["mod_revision"]) if found else 0

    @staticmethod
    def swap(caller, key, expected, operation):
        answer = caller.call("/v3/kv/txn", {
            "compare": [{"target": "MOD", "result": "EQUAL", "key": b64(key), "mod_revision": str(expected)}],
            "success": [{"request_put": {"key": b64(key), "value": b64(operation["value"])}}],
            "failure": [{"request_range": {"key": b64(key)}}]})
        if answer.get("succeeded"):
            operation["place"], operation["after"] = int(answer["header"]["revision"]), expected
        else:
            found = answer["responses"][0]["response_range"].get("kvs", [])
            operation["kind"] = "read"
            operation["value"] = unb64(found[0]["value"]) if found else None
            operation["place"] = int(found[0]["mod_revision"]) if found else 0
            expect(operation["place"] != expected, f"a swap after {expected} was refused, though {expected} is what it saw")

    def watch(self, at):
        """One watch over everything of ours, resumed elsewhere where it breaks."""
        following = self.first_revision + 1
        while not self.stopping.is_set():
            name = self.names[at % len(self.names)]
            at += 1
            try:
                connection = self.world.connection(name, timeout=3)
                connection.request("POST", "/v3/watch", json.dumps({"create_request": {
                    "key": b64(self.root), "range_end": prefix_end(self.root), "start_revision": str(following),
                    "progress_notify": True}}))
                answer = connection.getresponse()
                while not self.stopping.is_set():
                    line = answer.readline()
                    if not line:
                        break
                    result = json.loads(line).get("result")
                    if result is None or result.get("canceled"):
                        break
                    for event in result.get("events", []):
                        item = event["kv"]
                        self.events.append((int(item["mod_revision"]), unb64(item["key"]), unb64(item.get("value", ""))))
                        following = int(item["mod_revision"]) + 1
                connection.close()
            except LOST:
                time.sleep(0.05)

    def check(self, seconds=30):
        """Nothing acknowledged is lost, the registers are linearizable, the watch told everything once and in order.
        Returns what to print."""
        expect(not self.faults, f"the load itself failed: {self.faults[:3]}")
        expect(self.written, f"nothing was written; refusals: {self.refusals}")
        stored = self.stored(seconds)
        lost = [key for key, (value, revision) in self.written.items() if stored.get(key) != (value, revision)]
        expect(not lost, f"{len(lost)} of {len(self.written)} acknowledged writes are lost or changed, such as {lost[0]} "
               f"acknowledged as {self.written[lost[0]]} and now {stored.get(lost[0])}" if lost else "")
        count = sum(check_register(key, operations) for key, operations in self.register_ops.items())
        self.check_watch()
        longest = max(gap for gap, _ in self.gaps)
        return f"{len(self.written)} writes, {count} register operations, {len(self.events)} events, longest gap {longest:.2f} s"

    def stored(self, seconds):
        caller, deadline, found, start = Caller(self.world, 0, self.names), time.monotonic() + seconds, {}, self.root + "w"
        while True:
            try:
                answer = caller.call("/v3/kv/range", {"key": b64(start), "range_end": prefix_end(self.root + "w"), "limit": "2000"}, timeout=15)
            except LOST as error:
                if time.monotonic() > deadline:
                    raise Failure(f"what is stored could not be read: {error}") from None
                time.sleep(0.1)
                continue
            for item in answer.get("kvs", []):
                found[unb64(item["key"])] = (unb64(item["value"]), int(item["mod_revision"]))
                start = unb64(item["key"]) + "\0"
            if not answer.get("more"):
                caller.close()
                return found

    def check_watch(self):
        """Ordered and unique; all acknowledged writes but those that may have come after the watch ended."""
        revisions = [revision for revision, _, _ in self.events]
        for before, after in zip(revisions, revisions[1:]):
            expect(before < after, f"the watch told of revision {after} after {before}")
        expect(self.events, "the watch told nothing")
        told, last = {revision: (key, value) for revision, key, value in self.events}, revisions[-1]
        for key, (value, revision) in self.written.items():
            if self.first_revision < revision <= last:
                expect(told.get(revision) == (key, value),
                       f"the watch told {told.get(revision)} of revision {revision}, where {key} was acknowledged")


def check_register(key, operations):
    """A register's history is linearizable in the order of its places (mod_revision). Returns how many were judged."""
    values = {}
    for operation in operations:
        if operation["kind"] != "read" and operation["ended"] is not None:
            place = operation["place"]
            expect(place not in values, f"{key}: two writes were given the place {place}")
            values[place] = operation["value"]
    unknown = {operation["value"] for operation in operations if operation["kind"] != "read" and operation["ended"] is None}
    for operation in operations:
        if operation["kind"] == "read" and operation["ended"] is not None and operation["place"] > 0:
            known = values.get(operation["place"])
            if known is None:
                expect(operation["value"] in unknown,
                       f"{key}: a read shows {operation['value']} at {operation['place']}, which nobody wrote there")
                values[operation["place"]] = operation["value"]
            else:
                expect(known == operation["value"], f"{key}: a read shows {operation['value']} where {known} was written")
    places = sorted(values)
    for operation in operations:
        if "after" in operation and operation["ended"] is not None:
            between = [place for place in places if operation["after"] < place < operation["place"]]
            expect(not between, f"{key}: a swap from {operation['after']} to {operation['place']} passed over {between}")
    finished = sorted((o for o in operations if o["ended"] is not None), key=lambda o: o["began"])
    ends = sorted(finished, key=lambda o: o["ended"])
    newest, which, index = -1, None, 0
    for operation in finished:
        while index < len(ends) and ends[index]["ended"] < operation["began"]:
            if ends[index]["place"] > newest:
                newest, which = ends[index]["place"], ends[index]
            index += 1
        stale = operation["place"] < newest if operation["kind"] == "read" else operation["place"] <= newest
        expect(not stale, f"{key}: {operation} began after {which} had ended, but has an earlier place")
    return len(finished)
