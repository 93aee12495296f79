"""What an etcd user does with etcdctl, over TLS, against three members. Each scenario finds its own keys."""

import http.client
import json
import os
import re
import ssl
import select
import time

from world import Failure, Refused, Skipped, b64, expect, prefix_end, run, unb64, until


def forms(world):
    """members started in any order, with pauses between, become one cluster with one leader"""
    for name in ("three", "one", "two"):
        world.start(name)
        time.sleep(0.7)
    world.up()
    listed = world.ctl("member", "list", "-w", "json").json
    expect(sorted(m["name"] for m in listed["members"]) == ["one", "three", "two"], f"other members: {listed}")
    world.ctl("endpoint", "health")
    ids = {world.post("/v3/maintenance/status", {}, name)["header"]["cluster_id"] for name in world.members}
    expect(len(ids) == 1, f"cluster ids {ids}")


def keys(world):
    """put, get and del in all their ways"""
    world.up()
    ctl = world.ctl
    expect(ctl("put", "k/a", "1").out == "OK\n", "put says something else than OK")
    for key, value in (("k/b", "3"), ("k/c", "2")):
        ctl("put", key, value)
    expect(ctl("get", "k/a").lines == ["k/a", "1"], "get")
    expect(ctl("get", "k/", "--prefix").lines == ["k/a", "1", "k/b", "3", "k/c", "2"], "get --prefix")
    expect(ctl("get", "k/a", "k/c").lines == ["k/a", "1", "k/b", "3"], "get of a range")
    expect(ctl("get", "k/b", "--from-key", "--limit", "2", "--keys-only").out.split() == ["k/b", "k/c"], "get --from-key")
    expect(ctl("get", "k/", "--prefix", "--print-value-only").lines == ["1", "3", "2"], "get --print-value-only")
    for by, order, wanted in (("VALUE", "DESCEND", "k/b k/c k/a"), ("KEY", "DESCEND", "k/c k/b k/a"), ("MODIFY", "ASCEND", "k/a k/b k/c"),
                              ("CREATE", "DESCEND", "k/c k/b k/a")):
        found = ctl("get", "k/", "--prefix", "--keys-only", "--sort-by", by, "--order", order).out.split()
        expect(found == wanted.split(), f"sorted by {by} {order}: {found}")
    expect(ctl("get", "k/", "--prefix", "--sort-by", "VERSION", "--order", "DESCEND", "--limit", "1").code == 0, "sort by version")
    revision = ctl("get", "k/a", "-w", "json").json["kvs"][0]["mod_revision"]
    ctl("put", "k/a", "later")
    expect(ctl("get", "k/a", "--rev", revision).lines == ["k/a", "1"], "get --rev")
    counted = world.get("k/", range_end=prefix_end("k/"), count_only=True)
    expect(counted["count"] == "3" and "kvs" not in counted, f"count: {counted}")
    expect(ctl("get", "k/a", "--consistency", "s").lines == ["k/a", "later"], "serializable get")
    expect(ctl("put", "k/a", "x", "--prev-kv").lines == ["OK", "k/a", "later"], "put --prev-kv")
    entry = ctl("get", "k/a", "-w", "json").json["kvs"][0]
    expect(entry["version"] == 3 and entry["create_revision"] < entry["mod_revision"], f"{entry}")
    ctl("put", "k/a", "y", "--ignore-lease")
    ctl("put", "k/a", "--ignore-value")
    expect(ctl("get", "k/a").lines == ["k/a", "y"], "put --ignore-value")
    refused = ctl("put", "k/none", "--ignore-value", code=1)
    expect("etcdserver: key not found" in refused.err, f"{refused}")
    refused = ctl("get", "k/a", "--rev", "99999999", code=1)
    expect("etcdserver: mvcc: required revision is a future revision" in refused.err, f"{refused}")
    refused = run(world.etcdctl_command("put", "k/large"), stdin="x" * (2 << 20))
    expect(refused.code != 0 and ("request is too large" in refused.err or "larger than max" in refused.err), f"{refused}")
    refused = ctl("put", "", "x", code=1)
    expect("key is not provided" in refused.err, f"{refused}")
    expect(ctl("del", "k/a", "--prev-kv").lines == ["1", "k/a", "y"], "del --prev-kv")
    expect(ctl("del", "k/none").lines == ["0"], "del of nothing")
    expect(ctl("del", "k/", "--prefix").lines == ["2"], "del --prefix")
    expect(ctl("get", "k/", "--prefix").out == "", "something is left")


def transactions(world):
    """txn, with all compares, both branches and the rules of etcd"""
    world.up()
    ctl = world.ctl
    ctl("put", "t/a", "1")
    done = ctl("txn", "-i", stdin='value("t/a") = "1"\nversion("t/a") > "0"\nmod("t/b") = "0"\n\nput t/b "new value"\nget t/a\n\nput t/c no\n\n')
    expect("SUCCESS" in done.out and "t/a" in done.out, f"{done}")
    expect(ctl("get", "t/", "--prefix", "--keys-only").out.split() == ["t/a", "t/b"], "keys after the first")
    expect(ctl("get", "t/b", "--print-value-only").out == "new value\n", "the value of t/b")
    done = ctl("txn", "-i", stdin='value("t/a") = "2"\n\nput t/d x\n\nget t/b\ndel t/a\n\n')
    expect("FAILURE" in done.out and "new value" in done.out, f"{done}")
    expect(ctl("get", "t/", "--prefix", "--keys-only").out.split() == ["t/b"], "keys after the second")
    refused = ctl("txn", "-i", stdin="\nput t/x 1\nput t/x 2\n\n\n", code=1)
    expect("etcdserver: duplicate key given in txn request" in refused.err, f"{refused}")
    before = int(world.get("t/")["header"]["revision"])
    many = "\n" + "".join(f"put t/many{i} {i}\n" for i in range(128)) + "\n\n"
    ctl("txn", "-i", stdin=many)
    after = int(world.get("t/")["header"]["revision"])
    expect(after == before + 1, f"a transaction of 128 puts raised the revision from {before} to {after}")
    refused = ctl("txn", "-i", stdin="\n" + "".join(f"put t/many{i} {i}\n" for i in range(129)) + "\n\n", code=1)
    expect("etcdserver: too many operations in txn request" in refused.err, f"{refused}")
    ctl("del", "t/", "--prefix")


def lines_of(process, count, seconds=10):
    """The next lines that a background etcdctl prints."""
    found, deadline = [], time.monotonic() + seconds
    # The stream's own buffer would hide lines from select: the descriptor is read directly.
    text = getattr(process, "unread", "")
    while len(found) < count:
        while "\n" in text and len(found) < count:
            line, text = text.split("\n", 1)
            found.append(line)
        if len(found) < count:
            left = deadline - time.monotonic()
            if left < 0 or not select.select([process.stdout], [], [], left)[0]:
                raise Failure(f"{count} lines were expected within {seconds} s, but there were {found}")
            more = os.read(process.stdout.fileno(), 65536).decode(errors="replace")
            if not more:
                raise Failure(f"`{' '.join(process.args[-4:])}` ended after {found}: {text}")
            text += more
    process.unread = text
    return found


def watches(world):
    """watch: new events, history with --rev, a prefix, --prev-kv, and the compacted past"""
    world.up()
    ctl = world.ctl
    ctl("put", "w/a", "1")
    start = ctl("get", "w/a", "-w", "json").json["kvs"][0]["mod_revision"]
    ctl("put", "w/a", "2")
    ctl("put", "w/b", "1")
    past = world.etcdctl("watch", "w/", "--prefix", "--rev", start)
    expect(lines_of(past, 9) == ["PUT", "w/a", "1", "PUT", "w/a", "2", "PUT", "w/b", "1"], "history")
    single = world.etcdctl("watch", "w/b", "--prev-kv")
    time.sleep(1)
    ctl("put", "w/a", "3")
    ctl("put", "w/b", "2")
    ctl("del", "w/b")
    said = lines_of(single, 10)
    expect(said == ["PUT", "w/b", "1", "w/b", "2", "DELETE", "w/b", "2", "w/b", ""], f"single key: {said}")
    said = lines_of(past, 9)
    expect(said == ["PUT", "w/a", "3", "PUT", "w/b", "2", "DELETE", "w/b", ""], f"prefix: {said}")
    talk = world.etcdctl("watch", "-i")
    talk.stdin.write("watch w/talk\nwatch w/other\n")
    talk.stdin.flush()
    time.sleep(1)
    ctl("put", "w/talk", "hello")
    expect(lines_of(talk, 3) == ["PUT", "w/talk", "hello"], "interactive watch")
    ctl("put", "w/a", "4")
    newest = ctl("get", "w/a", "-w", "json").json["header"]["revision"]
    ctl("compact", newest)
    gone = world.etcdctl("watch", "w/a", "--rev", start)
    said = gone.communicate(timeout=10)[0]
    expect("etcdserver: mvcc: required revision has been compacted" in said, f"a watch from the compacted past said {said!r}")
    many = world.etcdctl("watch", "w/many/", "--prefix")
    time.sleep(1)
    for index in range(0, 100, 10):
        ctl("txn", "-i", stdin="\n" + "".join(f"put w/many/{index + i:03} x\n" for i in range(10)) + "\n\n")
    said = lines_of(many, 300)
    expect(said[1::3] == [f"w/many/{i:03}" for i in range(100)], "events of transactions are not in order")


def leases(world):
    """lease grant, timetolive, keep-alive, list, revoke and expiry"""
    world.up()
    ctl = world.ctl
    lease = re.match(r"lease (\w+) granted with TTL\(60s\)", ctl("lease", "grant", "60").out).group(1)
    ctl("put", "l/a", "1", "--lease", lease)
    ctl("put", "l/b", "1", "--lease", lease)
    told = ctl("lease", "timetolive", lease, "--keys").out
    expect(re.match(rf"lease {lease} granted with TTL\(60s\), remaining\((5\d|60)s\), attached keys\(\[l/a l/b\]\)", told), f"{told}")
    expect(lease in ctl("lease", "list").out, "lease list")
    kept = ctl("lease", "keep-alive", "--once", lease).out
    expect(kept == f"lease {lease} keepalived with TTL(60)\n", f"{kept}")
    expect(ctl("lease", "revoke", lease).out == f"lease {lease} revoked\n", "revoke")
    expect(ctl("get", "l/", "--prefix").out == "", "the lease's keys are still there")
    refused = ctl("lease", "revoke", lease, code=1)
    expect("etcdserver: requested lease not found" in refused.err, f"{refused}")
    refused = ctl("put", "l/a", "1", "--lease", lease, code=1)
    expect("etcdserver: requested lease not found" in refused.err, f"{refused}")
    expect("already expired" in ctl("lease", "timetolive", lease).out, "timetolive of what is gone")
    short = re.match(r"lease (\w+) granted", ctl("lease", "grant", "3").out).group(1)
    keeper = world.etcdctl("lease", "keep-alive", short)
    ctl("put", "l/kept", "1", "--lease", short)
    time.sleep(6)
    expect(ctl("get", "l/kept", "--print-value-only").out == "1\n", "a lease that was kept alive expired")
    keeper.kill()
    began = time.monotonic()
    until(12, "the end of a lease that nobody keeps", lambda: ctl("get", "l/kept").out == "")
    expect(time.monotonic() - began > 0.5, "a lease ended before its time")


def compaction(world):
    """compaction: what is older is gone with etcd's words, what is newer stays"""
    world.up()
    ctl = world.ctl
    revisions = []
    for value in range(5):
        ctl("put", "c/a", value)
        revisions.append(ctl("get", "c/a", "-w", "json").json["header"]["revision"])
    expect(ctl("compact", revisions[2]).out == f"compacted revision {revisions[2]}\n", "compact")
    expect(ctl("get", "c/a", "--rev", revisions[2], "--print-value-only").out == "2\n", "the compacted revision itself stays")
    refused = ctl("get", "c/a", "--rev", revisions[1], code=1)
    expect("etcdserver: mvcc: required revision has been compacted" in refused.err, f"{refused}")
    refused = ctl("compact", revisions[1], code=1)
    expect("etcdserver: mvcc: required revision has been compacted" in refused.err, f"{refused}")
    refused = ctl("compact", revisions[-1] + 1000000, code=1)
    expect("etcdserver: mvcc: required revision is a future revision" in refused.err, f"{refused}")
    ctl("compact", "--physical", revisions[3])


def member_id(world, name):
    return next(m["ID"] for m in world.ctl("member", "list", "-w", "json").json["members"] if m.get("name") == name)


def members(world):
    """member list, update, add of a learner, its promotion, and remove, as etcd's users do it"""
    world.up()
    ctl = world.ctl
    table = ctl("member", "list", "-w", "table").out
    expect(all(member.peer in table and member.client in table for member in world.members.values()), f"{table}")
    two = f"{member_id(world, 'two'):x}"
    ctl("member", "update", two, "--peer-urls", world.members["two"].peer)
    four = world.member("four")
    said = ctl("member", "add", "four", "--peer-urls", four.peer, "--learner").out
    expect("Member" in said and 'ETCD_INITIAL_CLUSTER_STATE="existing"' in said, f"{said}")
    cluster = re.search(r'ETCD_INITIAL_CLUSTER="([^"]*)"', said).group(1)
    listed = [m for m in ctl("member", "list", "-w", "json").json["members"] if m.get("isLearner")]
    expect(len(listed) == 1, f"learners: {listed}")
    if world.against == "etcd":
        world.start("four", existing=cluster)
        until(20, "the learner's promotion", lambda: run(world.etcdctl_command(
            "member", "promote", f"{listed[0]['ID']:x}", endpoints=["one"])).code == 0)
        until(20, "an answer of the new member", lambda: world.get("x", "four"))
    four_id = f"{listed[0]['ID']:x}"
    said = ctl("member", "remove", four_id, endpoints=["one"]).out
    expect("removed from cluster" in said, f"{said}")
    if world.members["four"].is_running:
        world.members["four"].stop(9)
    del world.members["four"]
    refused = ctl("member", "remove", "12345", code=1)
    expect("etcdserver: member not found" in refused.err, f"{refused}")
    refused = ctl("member", "promote", two, code=1)
    expect("etcdserver: can only promote a learner member" in refused.err, f"{refused}")
    refused = ctl("member", "add", "again", "--peer-urls", world.members["two"].peer, code=1)
    expect("etcdserver: Peer URLs already exists" in refused.err, f"{refused}")
    expect(len(ctl("member", "list").lines) == 3, "three members remain")


def endpoints(world):
    """endpoint status, health and hashkv agree; move-leader moves; alarm list, defrag"""
    world.up()
    ctl = world.ctl
    for index in range(20):
        world.put(f"e/{index}", "x" * 100)
    health = ctl("endpoint", "health", "--cluster")
    expect(health.text.count("is healthy") == 3, f"{health}")
    status = ctl("endpoint", "status", "--cluster", "-w", "json").json
    expect(len(status) == 3 and len({s["Status"]["leader"] for s in status}) == 1, f"{status}")
    for field in ("version", "dbSize", "raftIndex", "raftTerm", "raftAppliedIndex"):
        expect(all(s["Status"].get(field) for s in status), f"{field} is missing: {status}")
    expect(ctl("endpoint", "status", "-w", "table").out.count("true") == 1, "one leader in the table")

    def hashes():
        found = ctl("endpoint", "hashkv", "-w", "json").json
        return {h["HashKV"]["hash"] for h in found}
    until(10, "the same hash at all members", lambda: len(hashes()) == 1)
    target = world.followers()[0]
    moved = ctl("move-leader", f"{member_id(world, target.name):x}")
    expect("Leadership transferred" in moved.out, f"{moved}")
    until(5, "the leadership of who was named", lambda: world.leader() is target)
    expect(ctl("alarm", "list").out == "", "an alarm is raised")
    ctl("alarm", "disarm")
    expect(ctl("defrag", "--cluster", timeout=60).text.count("Finished defragmenting") == 3, "defrag")
    expect(ctl("get", "e/1").lines[0] == "e/1", "a read after defrag")


def locks(world):
    """lock and elect: one holder at a time, the next follows"""
    world.up()
    first = world.etcdctl("lock", "mutex")
    held = lines_of(first, 1)[0]
    expect(held.startswith("mutex/"), f"the lock is {held}")
    second = world.etcdctl("lock", "mutex")
    time.sleep(1)
    expect(second.poll() is None, "two hold one lock")
    first.terminate()
    following = lines_of(second, 1, seconds=15)[0]
    expect(following.startswith("mutex/") and following != held, f"the next lock is {following}")
    second.terminate()
    leader = world.etcdctl("elect", "office", "alpha")
    expect(lines_of(leader, 2)[1] == "alpha", "the elected one")
    listening = world.etcdctl("elect", "-l", "office")
    expect(lines_of(listening, 2)[1] == "alpha", "who listens hears of the elected one")
    world.etcdctl("elect", "office", "beta")
    time.sleep(1)
    leader.terminate()
    expect(lines_of(listening, 2, seconds=15)[1] == "beta", "the next elected one")
    done = world.ctl("lock", "short", "echo", "in the lock")
    expect("in the lock" in done.out, f"{done}")


def snapshot(world):
    """snapshot save writes a file that is whole"""
    world.up()
    for index in range(50):
        world.put(f"s/{index}", "x" * 2000)
    path = os.path.join(world.home, "by-etcdctl.db")
    said = world.ctl("snapshot", "save", path, endpoints=["two"], timeout=60)
    expect("Snapshot saved at" in said.text and os.path.getsize(path) > 100_000, f"{said}")


def performance(world):
    """check perf runs its small load to the end, without an error, fast enough where the machine is not busy"""
    world.up()
    busy = os.getloadavg()[0] > os.cpu_count()
    done = run(world.etcdctl_command("check", "perf", "--load", "s", endpoints=["one"]), timeout=120,
               environment={**os.environ, "ETCDCTL_API": "3"})
    verdicts = [line for line in done.out.splitlines() if line.startswith(("PASS", "FAIL"))]
    expect(len(verdicts) >= 3 and "error" not in done.text.lower(), f"{done}")
    # Its limits for the spread assume a machine of its own.
    expect(busy or "Throughput too low" not in done.out, f"{done}")
    return "; ".join(verdicts) + (" (the machine was busy with other things)" if busy else "")


def strangers(world):
    """who has no certificate, or one of another authority, is not served; nor is plain text"""
    world.up()
    member = world.members["one"]
    without = run([*world.etcdctl_command("get", "x", endpoints=["one"])[:1], "--endpoints", member.client, "--cacert", world.ca.certificate,
                   "--command-timeout", "3s", "get", "x"], environment={**os.environ, "ETCDCTL_API": "3"})
    expect(without.code != 0, f"{without}")
    plain = run([*world.etcdctl_command("get", "x")[:1], "--endpoints", f"http://{member.address}:2379", "--command-timeout", "3s", "get", "x"],
                environment={**os.environ, "ETCDCTL_API": "3"})
    expect(plain.code != 0, f"{plain}")
    connection = http.client.HTTPSConnection(member.address, 2379, timeout=5, context=world.context(certificate=False))
    try:
        connection.request("POST", "/v3/kv/range", json.dumps({"key": b64("x")}))
        status = connection.getresponse().status
        raise Failure(f"without a certificate the answer was {status}")
    except (ssl.SSLError, OSError, http.client.HTTPException):
        pass
    expect(world.get("x")["header"], "a proper client is not served any more")


def gateway(world):
    """the JSON gateway: range, put, txn, lease, errors with their codes, a streaming watch, /version and /health"""
    world.up()
    first = world.put("g/a", "1", prev_kv=True)
    expect(isinstance(first["header"]["revision"], str) and "prev_kv" not in first, f"{first}")
    expect(unb64(world.put("g/a", "2", prev_kv=True)["prev_kv"]["value"]) == "1", "prev_kv of a put")
    found = world.get("g/", range_end=prefix_end("g/"))
    expect(found["count"] == "1" and found["kvs"][0]["version"] == "2", f"{found}")
    done = world.post("/v3/kv/txn", {
        "compare": [{"key": b64("g/a"), "target": "VALUE", "value": b64("2")}],
        "success": [{"request_delete_range": {"key": b64("g/a")}}, {"request_put": {"key": b64("g/b"), "value": b64("x")}}]})
    expect(done["succeeded"] is True and done["responses"][0]["response_delete_range"]["deleted"] == "1", f"{done}")
    lease = world.post("/v3/lease/grant", {"TTL": "60"})
    expect(lease["TTL"] == "60", f"{lease}")
    kept = world.post("/v3/lease/keepalive", {"ID": lease["ID"]})
    expect(kept["result"]["TTL"] == "60", f"{kept}")
    told = world.post("/v3/lease/timetolive", {"ID": lease["ID"], "keys": True})
    expect(told["grantedTTL"] == "60", f"{told}")
    world.post("/v3/lease/revoke", {"ID": lease["ID"]})
    expect(len(world.post("/v3/cluster/member/list", {})["members"]) == 3, "members")
    for path, body, code, words in (
            ("/v3/kv/put", {"value": b64("x")}, 3, "etcdserver: key is not provided"),
            ("/v3/lease/revoke", {"ID": "7777"}, 5, "etcdserver: requested lease not found"),
            ("/v3/kv/range", {"key": b64("x"), "revision": "99999999"}, 11, "etcdserver: mvcc: required revision is a future revision")):
        try:
            answer = world.post(path, body)
            raise Failure(f"{path} {body} was answered {answer}")
        except Refused as refused:
            expect(refused.code == code and refused.message == words, f"{path}: {refused}")
    try:
        world.post("/v3/kv/nonsense", {})
        raise Failure("a path that is none was served")
    except Refused as refused:
        expect(refused.code in (404, 5, 12), f"{refused}")
    for path, words in (("/version", "etcdserver"), ("/health", '"health"')):
        connection = world.connection("one")
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        expect(answer.status == 200 and words in text, f"{path}: {answer.status} {text}")
    connection = world.connection("two")
    connection.request("POST", "/v3/watch", json.dumps({"create_request": {"key": b64("g/watched")}}))
    stream = connection.getresponse()
    expect(json.loads(stream.readline())["result"]["created"] is True, "a watch is created")
    world.put("g/watched", "seen")
    event = json.loads(stream.readline())["result"]["events"][0]
    expect(unb64(event["kv"]["value"]) == "seen" and event.get("type", "PUT") == "PUT", f"{event}")
    connection.close()


def python_clients(world):
    """PyPI's etcd3 (gRPC) and etcd3gw (JSON) do what they are used for"""
    world.up()
    interpreter = os.path.join(os.environ.get("CHAINFIRE_VENV") or os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))), ".build/chainfire-venv"), "bin/python")
    if not os.path.exists(interpreter):
        raise Skipped("there is no .build/chainfire-venv with etcd3 and etcd3gw: hack/setup test makes it, where pip can")
    done = run([interpreter, os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients.py"), world.members["one"].address,
                world.ca.certificate, world.client_certificate, world.client_key], timeout=90)
    expect(done.code == 0, f"{done}")


# What etcd's own dashboard and alerts ask for (etcd, contrib/mixin), the latency of calls left out, which etcd tells with --metrics=extensive only.
WATCHED = """etcd_disk_backend_commit_duration_seconds_bucket etcd_disk_wal_fsync_duration_seconds_bucket etcd_mvcc_db_total_size_in_bytes
    etcd_mvcc_db_total_size_in_use_in_bytes etcd_network_client_grpc_received_bytes_total etcd_network_client_grpc_sent_bytes_total
    etcd_network_peer_received_bytes_total etcd_network_peer_round_trip_time_seconds_bucket etcd_network_peer_sent_bytes_total
    etcd_server_has_leader etcd_server_leader_changes_seen_total etcd_server_proposals_applied_total etcd_server_proposals_committed_total
    etcd_server_proposals_failed_total etcd_server_proposals_pending grpc_server_handled_total grpc_server_started_total
    process_resident_memory_bytes process_open_fds process_max_fds process_start_time_seconds""".split()


def dashboards(world):
    """/metrics has what etcd's own dashboard and alerts ask for, and it counts: calls by method and code, open watches, leaders, bytes"""
    world.up()
    leader = world.leader()
    other = next(member for member in world.running() if member is not leader)

    def told():
        found = world.metrics(leader.name)
        names = {name.split("{")[0] for name in found}
        return found if not [name for name in WATCHED if name not in names] else None
    # Counters of calls come with the first call, in etcd; and others have called before.
    world.ctl("put", "dash/first", "x", endpoints=[leader.name])
    world.ctl("lease", "revoke", "1234", code=1, endpoints=[leader.name])
    first = until(20, f"each of {' '.join(WATCHED)}", told)
    for number in range(5):
        world.ctl("put", f"dash/{number}", "x" * 1000, endpoints=[leader.name])
    world.ctl("lease", "revoke", "1234", code=1, endpoints=[leader.name])
    found = world.metrics(leader.name)

    def calls(found, what, method, kind, code=None):
        service, name = method.split("/")
        wanted = {f'grpc_method="{name}"', f'grpc_service="etcdserverpb.{service}"', f'grpc_type="{kind}"'} | ({f'grpc_code="{code}"'} if code else set())
        return sum(value for key, value in found.items()
                   if key.startswith(f"grpc_server_{what}_total{{") and wanted <= set(key[key.index("{") + 1:-1].split(",")))

    def more(*what):
        return calls(found, *what) - calls(first, *what)
    expect(more("started", "KV/Put", "unary") == more("handled", "KV/Put", "unary", "OK") == 5, "5 puts are counted")
    expect(more("handled", "Lease/LeaseRevoke", "unary", "NotFound") == 1, "a call that fails is counted by its code")

    def watching():
        now = world.metrics(leader.name)
        return calls(now, "started", "Watch/Watch", "bidi_stream") - calls(now, "handled", "Watch/Watch", "bidi_stream")
    before = watching()
    watch = world.etcdctl("watch", "dash/", "--prefix", endpoints=[leader.name])
    until(10, "one more open watch", lambda: watching() == before + 1)
    watch.terminate()
    watch.wait(10)
    until(10, "no more open watch", lambda: watching() == before)
    name = "etcd_network_client_grpc_received_bytes_total"
    expect(found[name] - first[name] > 5000, "bytes of clients")
    for name in ("sent", "received"):
        expect(sum(value for key, value in found.items() if key.startswith(f"etcd_network_peer_{name}_bytes_total")) > 1000, f"bytes {name} between members")
    name = "etcd_disk_wal_fsync_duration_seconds_count"
    expect(found[name] - first[name] >= 5, "syncs of the log")
    until(60, "round trips of both others", lambda: sum(
        value > 0 for key, value in world.metrics(leader.name).items() if key.startswith("etcd_network_peer_round_trip_time_seconds_count")) == 2)
    before = world.metric("etcd_server_leader_changes_seen_total", other.name)
    expect(1 <= before <= 50, f"{before} changes of the leader, of a cluster that has not long been there")
    world.ctl("move-leader", f"{member_id(world, other.name):x}", endpoints=[leader.name])
    until(10, "a change of the leader that is counted", lambda: world.metric("etcd_server_leader_changes_seen_total", other.name) == before + 1)
    expect(world.metric("etcd_server_is_leader", other.name) == 1, "is_leader")
    families = world.families(other.name)
    silent = sorted(name for name, words in families.items() if not words)
    expect(not silent, f"nothing says what these metrics mean: {silent}")


SCENARIOS = [(forms, 90), (keys, 90), (transactions, 60), (watches, 90), (leases, 90), (compaction, 60), (members, 120), (endpoints, 120), (dashboards, 120),
             (locks, 90), (snapshot, 90), (strangers, 60), (gateway, 60), (python_clients, 120), (performance, 150)]
