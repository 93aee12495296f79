"""plasma's own verbs: members, snapshots, checks, a server over a remote store, and the way into a cluster by a token."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from load import Load
from world import BINARY, TOKEN, Failure, Refused, Skipped, b64, expect, prefix_end, run, unb64, until


def configuration(world):
    """every problem of a file is told with line and column; PlasmaCloud's cluster-config.json is understood"""
    path = os.path.join(world.home, "bad.yaml")
    with open(path, "w") as file:
        file.write("name: one\ndata_dir: x\nbootstrap: true\ninitial_peers: [two=https://10.0.0.2:2380]\n"
                   "quota_byte: 5\nelection_timeout: 10ms\ntls: {peer: {cert: none.crt}}\n")
    done = run([BINARY, "chainfire", "serve", "--config", path])
    expect(done.code == 1, f"{done}")
    for words in ("bad.yaml:4:16: initial_peers: has no entry for this member, \"one\"", "bad.yaml:5:1: quota_byte: unknown field; did you mean",
                  "bad.yaml:6:19: election_timeout:", "bad.yaml:7:13: tls.peer"):
        expect(words in done.err, f"{words!r} is not said: {done}")
    old = os.path.join(world.home, "cluster-config.json")
    with open(old, "w") as file:
        json.dump({"node_id": "node01", "bootstrap": True, "flaredb_peers": ["x"], "initial_peers": [
            {"id": "node01", "addr": "127.0.0.1:2390"}]}, file)
    process = subprocess.Popen([BINARY, "chainfire", "serve", "--config", old, "--data-dir", os.path.join(world.home, "node01"),
                                "--listen-client", "127.0.0.1:2399"], stderr=subprocess.PIPE, text=True)
    world.loose.append(process)
    until(20, "a member that begins alone", lambda: run([BINARY, "chainfire", "put", "a", "1", "--endpoints", "http://127.0.0.1:2399"]).code == 0)
    listed = run([BINARY, "chainfire", "member", "list", "-o", "json", "--endpoints", "http://127.0.0.1:2399"]).json
    expect(listed["members"][0]["name"] == "node01" and listed["voters"] == 1, f"{listed}")
    process.terminate()
    said = process.communicate(timeout=20)[1]
    expect(process.returncode == 0 and "flaredb_peers" in said and "serves" in said, f"{process.returncode}: {said}")


def looks(world):
    """status, member list, get, put, del and watch, in every format"""
    world.up()
    status = world.plasma("status", "-o", "json").json
    expect(len(status["members"]) == 3 and all(m["status"]["term"] > 0 for m in status["members"]), f"{status}")
    table = world.plasma("status")
    expect(table.out.count("leader") == 1 and table.out.startswith("ENDPOINT"), f"{table}")
    listed = world.plasma("member", "list", "-o", "yaml").out
    expect("healthyVoters: 3" in listed, f"{listed}")
    told = world.plasma("member", "list").out
    expect("3 voters, 3 healthy, 2 needed" in told, f"{told}")
    world.plasma("put", "v/a", "hello")
    expect(world.plasma("get", "v/a").out == "v/a\thello\n", "get")
    expect(world.plasma("get", "--prefix", "v/", "-o", "json").json["keys"][0]["value"] == "hello", "get -o json")
    world.plasma("get", "v/none", code=1)
    expect(world.plasma("del", "v/a").out == "1 deleted\n", "del")
    # What no word of a command line can say is refused, and not taken for another key.
    odd = os.fsdecode(b"v/\xff")
    for words in (["get", odd], ["del", odd], ["put", odd, "x"], ["watch", odd]):
        expect("is not UTF-8" in world.plasma(*words, code=1).err, f"{words[0]} takes a key that is no text")
    nobody = run([BINARY, "chainfire", "status", "--endpoints", "http://127.0.0.1:1", "--timeout", "2s"])
    expect(nobody.code == 1 and "127.0.0.1:1" in nobody.text, f"{nobody}")
    wrong = run([BINARY, "chainfire", "member", "transfer", "tow", *certificates(world)])
    expect(wrong.code == 1 and 'did you mean "two"' in wrong.err, f"{wrong}")
    # A watch at the first endpoint, which is killed: it goes on at another, and tells all in order.
    urls = ",".join(world.members[name].client for name in ("one", "two", "three"))
    seen = os.path.join(world.home, "watched")
    with open(seen, "w") as out:
        watch = subprocess.Popen([BINARY, "chainfire", "watch", "--prefix", "w/", *certificates(world)[2:], "--endpoints", urls],
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)
    world.loose.append(watch)

    def watched():
        with open(seen) as file:
            return [line.split("\t")[-1].strip() for line in file]

    def begun():
        world.plasma("put", "w/a", "begun", endpoints=["two", "three"])
        return watched()
    until(10, "a first event", begun)
    world.members["one"].stop(signal.SIGKILL)
    wanted = [str(number) for number in range(20)]
    for number in wanted:
        until(10, "a put", lambda number=number: world.plasma("put", "w/a", number, endpoints=["two", "three"]))
    until(15, "all events, each once", lambda: [word for word in watched() if word != "begun"] == wanted)
    watch.terminate()


class Mute:
    """A server that greets as HTTP/2 does, and then says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.kept = []
        threading.Thread(target=self.greet, daemon=True).start()

    def greet(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            self.kept.append(connection)

    def close(self):
        for each in (self.listener, *self.kept):
            each.close()


def silence(world):
    """who meets a server that says nothing: a look asks the next one, a save ends in time and leaves no half file, also at Ctrl-C"""
    world.up()
    mute = Mute()
    world.plasma("put", "silent", "no")
    found = run([BINARY, "chainfire", "get", "silent", *certificates(world)[2:], "--endpoints", f"{mute.url},{world.members['one'].client}", "--timeout", "1s"])
    expect(found.out == "silent\tno\n", f"{found}")
    changed = run([BINARY, "chainfire", "put", "silent", "yes", "--endpoints", mute.url, "--timeout", "1s"])
    expect(changed.code == 1 and "it is not known whether that was carried out" in changed.err, f"{changed}")
    path = os.path.join(world.home, "silent.db")
    saved = run([BINARY, "chainfire", "snapshot", "save", path, "--endpoints", mute.url, "--timeout", "1s"])
    expect(saved.code == 1 and "there was nothing more for" in saved.err and not os.path.exists(path + ".part"), f"{saved}")
    saving = subprocess.Popen([BINARY, "chainfire", "snapshot", "save", path, "--endpoints", mute.url], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    world.loose.append(saving)
    until(10, "the beginning of a file", lambda: os.path.exists(path + ".part"))
    saving.send_signal(signal.SIGINT)
    expect(saving.wait(20) == 130 and not os.path.exists(path + ".part"), f"{saving.returncode}: {os.listdir(world.home)}")
    mute.close()


def certificates(world):
    return ["--endpoints", world.members["one"].client, "--ca-file", world.ca.certificate, "--cert-file", world.client_certificate,
            "--key-file", world.client_key]


def own_members(world):
    """member transfer and remove; a change that would cost the majority is refused with the arithmetic"""
    world.up()
    target = world.followers()[0]
    world.plasma("member", "transfer", target.name)
    until(5, "the leadership of who was named", lambda: world.leader() is target)
    victim = next(m for m in world.followers())
    victim.stop(signal.SIGKILL)
    third = next(m for m in world.running() if m is not world.leader())
    refused = until(20, "a refusal", lambda: refusal(world, third.name))
    expect("3 voters" in refused and "healthy" in refused, f"no arithmetic: {refused}")
    # etcd's own call, asked of a follower: it knows who is well as well as the leader.
    listed = world.post("/v3/cluster/member/list", {}, third.name)["members"]
    number = next(m["ID"] for m in listed if m["name"] == third.name)
    try:
        world.post("/v3/cluster/member/remove", {"ID": number}, third.name)
        raise Failure("a follower removed a member without which there is no majority")
    except Refused as refused:
        expect("not enough started members" in refused.message, f"{refused}")
    world.start(victim.name)
    until(20, f"the return of {victim.name}", lambda: world.get("x", victim.name))


def refusal(world, name):
    endpoints = ",".join(member.client for member in world.running())
    done = run([BINARY, "chainfire", "member", "remove", name, *certificates(world)[2:], "--endpoints", endpoints])
    return done.err if done.code == 1 and "refused" in done.err else None


def added_member(world):
    """member add, promote, remove and defrag: a new member is a learner until it has caught up, or until it is promoted"""
    world.up()
    founders = ["one", "three", "two"]
    four = world.member("four")
    join = announced(world, four)
    row = listed(world, "four")
    expect(row["learner"] and row["trouble"] == "has not started yet", f"{row}")
    refused = world.plasma("member", "promote", "four", endpoints=founders, code=1)
    expect("can only promote a learner member which is in sync with leader: it has entry 0 of" in refused.err, f"{refused}")
    world.start("four", join=join)
    until(40, "a voter of four", lambda: voters(world) == ["four", *founders])
    refused = world.plasma("member", "promote", "four", endpoints=founders, code=1)
    expect(refused.err.endswith(": etcdserver: can only promote a learner member\n"), f"{refused}")
    note = defragmented(world, "four", "one")
    removed(world, four, founders)
    # One that is told to wait.
    five = world.member("five")
    world.start("five", join=announced(world, five, "--learner"))
    until(20, "the learner's own copy", lambda: world.get("bulk/end", "five", serializable=True).get("kvs"))
    # Ten times as long as a leader takes to see who is to be promoted.
    time.sleep(1)
    row = listed(world, "five")
    expect(row["learner"] and row["healthy"], f"it was not to be promoted by itself: {row}")
    said = until(10, "a promotion", lambda: world.plasma("member", "promote", "five", endpoints=founders))
    expect(said.out == f"member {row['id']} (five) is a voter\n", f"{said}")
    until(10, "a voter of five", lambda: voters(world) == ["five", *founders])
    removed(world, five, founders)
    return note


def announced(world, member, *flags):
    """Adds a member; what is printed for its configuration, with the token in a file."""
    said = world.plasma("member", "add", member.name, "--peer-urls", member.peer, *flags, endpoints=["one", "two", "three"])
    expect(f"({member.name}) added as a learner\n" in said.out, f"{said}")
    printed = dict(line.strip().split(": ") for line in said.lines if line.startswith("  "))
    expect(printed.pop("name") == member.name and printed.pop("bootstrap") == "false" and printed["join_token_file"] == "…", f"{said}")
    printed["join_token_file"] = os.path.join(member.folder, "join.token")
    with open(printed["join_token_file"], "w") as file:
        file.write(TOKEN + "\n")
    return printed


def removed(world, member, left):
    world.plasma("member", "remove", member.name, endpoints=left)
    until(20, f"voters without {member.name}", lambda: voters(world) == left)
    ends(world, member)


def ends(world, member):
    """Who was removed ends by itself, and does not start again."""
    if member.process is not None:
        expect(member.wait(10) == 1 and "was removed from this cluster" in member.tail(), f"it goes on:\n{member.tail()}")
    world.start(member.name, join=member.join)
    expect(member.wait(10) == 1 and "was removed from this cluster" in member.tail(), f"it starts again:\n{member.tail()}")


def listed(world, name):
    rows = world.plasma("member", "list", "-o", "json", endpoints=["one"]).json["members"]
    return next(row for row in rows if row["name"] == name)


def defragmented(world, name, other):
    """Gives back what deleted keys took, at one member and at no other."""
    for index in range(64):
        world.put(f"bulk/{index}", "x" * 100_000)
    for one in (name, other):
        until(20, f"4 MB in the database of {one}", lambda one=one: size(world, one) > 4_000_000)
    answer = world.post("/v3/kv/deleterange", {"key": b64("bulk/"), "range_end": prefix_end("bulk/")})
    world.post("/v3/kv/compaction", {"revision": answer["header"]["revision"], "physical": True})
    world.put("bulk/end", "x")
    before = size(world, name)

    def given_back():
        said = world.plasma("defrag", endpoints=[name])
        expect(said.out == f"{world.members[name].client} defragmented\n", f"{said}")
        return size(world, name) < 1_000_000
    until(10, "the space of what was compacted", given_back)
    expect(size(world, other) > 4_000_000, f"{size(world, other)} bytes are left at {other}, which was not asked")
    return f"defrag made {size(world, name)} bytes of {before}"


def size(world, name):
    return int(world.post("/v3/maintenance/status", {}, name)["dbSize"])


def joining(world):
    """bootstrap: false joins by leader_url and token, catches up, becomes a voter, and a restart does not join again"""
    world.up()
    for index in range(100):
        world.put(f"j/{index}", "x" * 1000)
    four = world.member("four")
    wrong = {"leader_url": world.members["two"].client, "join_token": "not the token of this cluster"}
    world.start("four", join=wrong)
    expect(four.wait(20) == 1 and "join token" in four.tail(), f"a wrong token was not refused:\n{four.tail()}")
    with Load(world, "joining") as load:
        load.wait_for(50)
        join = {"leader_url": world.members["two"].client}
        world.start("four", join=join)
        until(40, "a voter of four", lambda: voters(world) == ["four", "one", "three", "two"])
        until(10, "a read at the new member", lambda: world.get("j/99", "four").get("kvs"))
        load.wait_for(50)
        four.stop(signal.SIGKILL)
        world.start("four", join=join)
        until(20, "the new member's return", lambda: world.get("j/99", "four").get("kvs"))
        expect(voters(world) == ["four", "one", "three", "two"], f"it joined again: {voters(world)}")
        load.wait_for(50)
        world.plasma("member", "remove", "four", endpoints=["one", "two"])
        until(20, "three voters", lambda: voters(world) == ["one", "three", "two"])
        ends(world, four)
        load.wait_for(50)
    note = load.check()
    # One that does not run when it is removed, and does not know it when it starts.
    five = world.member("five")
    world.start("five", join={"leader_url": world.members["two"].client})
    until(40, "a voter of five", lambda: voters(world) == ["five", "one", "three", "two"])
    five.stop(signal.SIGKILL)
    world.plasma("member", "remove", "five", endpoints=["one", "two"])
    until(20, "three voters", lambda: voters(world) == ["one", "three", "two"])
    ends(world, five)
    # One that etcd's tool has added, without a name.
    six = world.member("six")
    world.ctl("member", "add", "six", "--peer-urls", six.peer, endpoints=["one", "two", "three"])
    world.start("six", join={"leader_url": world.members["two"].client})
    until(40, "a voter of six", lambda: voters(world) == ["one", "six", "three", "two"])
    return note


def voters(world):
    listed = world.plasma("member", "list", "-o", "json", endpoints=["one"]).json["members"]
    return sorted(m["name"] for m in listed if not m["learner"])


def snapshots(world):
    """snapshot save, verify and restore: a new cluster, a revision far ahead, old watches broken, nothing lost"""
    world.up()
    for index in range(200):
        world.put(f"snap/{index:03}", "x" * 500)
    before = world.get("snap/000")["header"]
    path = os.path.join(world.home, "saved.db")
    world.plasma("snapshot", "save", path)
    verify(path)
    by_etcdctl = os.path.join(world.home, "by-etcdctl.db")
    world.ctl("snapshot", "save", by_etcdctl, endpoints=["one"])
    verify(by_etcdctl)
    broken = os.path.join(world.home, "broken.db")
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 1
    with open(broken, "wb") as file:
        file.write(data)
    for flags in (["verify", broken], ["verify", "/dev/null"]):
        refused = run([BINARY, "chainfire", "snapshot", *flags])
        expect(refused.code == 1 and refused.err, f"{refused}")
    for name in ("one", "two", "three"):
        world.members[name].stop()
        refused = run([BINARY, "chainfire", "snapshot", "restore", path, "--config", world.members[name].config])
        expect(refused.code == 1 and "not empty" in refused.err, f"{refused}")
        shutil.rmtree(world.members[name].data)
        done = run([BINARY, "chainfire", "snapshot", "restore", path, "--config", world.members[name].config], timeout=60)
        expect(done.code == 0 and "new cluster" in done.out, f"{done}")
    world.up()
    after = world.get("snap/199")
    expect(unb64(after["kvs"][0]["value"]) == "x" * 500, "the last key")
    expect(after["header"]["cluster_id"] != before["cluster_id"], "the restored cluster has the old identity")
    expect(int(after["header"]["revision"]) >= int(before["revision"]) + 1_000_000, f"the revision went from {before} to {after['header']}")
    counted = world.get("snap/", range_end=b64("snap0"), count_only=True)
    expect(counted["count"] == "200", f"{counted}")
    old = world.etcdctl("watch", "snap/000", "--rev", str(int(before["revision"]) - 1))
    expect("compacted" in old.communicate(timeout=10)[0], "an old watch goes on in the restored cluster")
    world.put("snap/000", "new")
    expect(unb64(world.get("snap/000", "three")["kvs"][0]["value"]) == "new", "a write after the restore")


def verify(path):
    done = run([BINARY, "chainfire", "snapshot", "verify", path], timeout=60)
    expect(done.code == 0 and "is sound" in done.out and "sha256" in done.out, f"{done}")


def checks(world):
    """check finds what is sound sound, and names file and place of a flipped byte; a damaged follower repairs itself"""
    world.up()
    for index in range(50):
        world.put(f"check/{index}", "x" * 1000)
    victim = world.followers()[0]
    victim.stop()
    done = run([BINARY, "chainfire", "check", victim.data], timeout=60)
    expect(done.code == 0, f"{done}")
    log = os.path.join(victim.data, "log")
    segments = sorted((f for f in os.listdir(log) if os.path.getsize(os.path.join(log, f)) > 8192), key=lambda f: os.path.getmtime(os.path.join(log, f)))
    segment = os.path.join(log, segments[-1])
    with open(segment, "r+b") as file:
        file.seek(6000)
        byte = file.read(1)
        file.seek(6000)
        file.write(bytes([byte[0] ^ 0xff]))
    done = run([BINARY, "chainfire", "check", victim.data], timeout=60)
    place = re.search(re.escape(os.path.basename(segment)) + r".* offset (\d+)", done.text)
    # That of the record, which holds 1,000 bytes and little more.
    expect(done.code == 1 and place and 6000 - 1200 < int(place[1]) <= 6000, f"{done}")
    state = os.path.join(victim.data, "state.db")
    shutil.copy(state, state + ".whole")
    with open(state, "r+b") as file:
        content = file.read()
        at = content.rindex(b"x" * 900)
        file.seek(at)
        file.write(b"y")
    done = run([BINARY, "chainfire", "check", victim.data], timeout=60)
    expect(done.code == 1 and "state.db" in done.text and re.search(r"row \d+ of its table|\(offset \d+\)", done.text), f"{done}")
    os.replace(state + ".whole", state)
    world.start(victim.name)
    until(40, f"{victim.name}, repaired by its peers", lambda: world.get("check/49", victim.name).get("kvs"))


def remote_store(world):
    """plasma server --store over the cluster: apply, get and diff go on while its leader is killed; one prefix is used"""
    world.up()
    world.put("somebody else's", "x")
    data = os.path.join(world.home, "server")
    log = open(os.path.join(world.home, "server.log"), "wb")
    urls = ",".join(member.client for member in world.members.values())
    environment = {**os.environ, "PLASMA_SERVER": f"unix://{data}/plasma.sock", "NO_COLOR": "1"}
    command = [BINARY, "server", "--data-dir", data, "--store", urls, "--store-ca-file", world.ca.certificate,
               "--store-cert-file", world.client_certificate, "--store-key-file", world.client_key]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    world.loose.append(server)

    def ended(server):
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            with open(log.name, errors="replace") as file:
                raise Failure(f"SIGTERM did not end the server within 20 s:\n{''.join(file.readlines()[-15:])}") from None
        expect(server.returncode == 0, f"the server ended with {server.returncode}")

    def plasma(*arguments, code=0):
        done = run([BINARY, *arguments], environment=environment, timeout=60)
        if done.code != code:
            with open(os.path.join(world.home, "server.log"), errors="replace") as file:
                raise Failure(f"exit code {code} was expected, but {done}\n{''.join(file.readlines()[-15:])}")
        return done
    until(30, "an answer of the server", lambda: run([BINARY, "get", "hosts"], environment=environment).code == 0)
    manifest = os.path.join(world.home, "site.yaml")

    def site(count):
        with open(manifest, "w") as file:
            file.write("---\n".join(f"apiVersion: plasma.cloud/v1alpha1\nkind: Host\nmetadata: {{name: far{i}}}\n" for i in range(count)))
        return plasma("apply", "-f", manifest)
    expect(site(3).out.count("created") == 3, "three hosts are created")
    leader = world.leader()
    leader.stop(signal.SIGKILL)
    expect(until(30, "an apply after the leader's end", lambda: site(5)).out.count("created") >= 1, "two more")
    expect(plasma("get", "hosts").out.count("far") == 5, "five hosts")
    world.start(leader.name)
    until(20, f"the return of {leader.name}", lambda: world.get("x", leader.name))
    for index in range(20):
        world.put("somebody else's", f"{index}")
    # A host that is not this one is never as wanted; but that is what diff must say, and not that it is still reading.
    expect("manages the host it runs on only" in plasma("diff", "-f", manifest, code=1).out, "diff")
    found = world.post("/v3/kv/range", {"key": b64("\0"), "range_end": b64("\0"), "keys_only": True})
    strangers = [unb64(k["key"]) for k in found["kvs"] if not unb64(k["key"]).startswith(("/plasma.cloud/", "somebody"))]
    expect(not [s for s in strangers if "far" in s or "registry" in s], f"keys outside the prefix: {strangers[:5]}")
    expect(any(unb64(k["key"]).startswith("/plasma.cloud/registry/") for k in found["kvs"]), "no key below the prefix")
    # Another one waits, says for whom, and goes on when that has ended, or was killed.
    beside = os.path.join(world.home, "beside")
    other = [beside if word == data else word for word in command]
    with open(os.path.join(world.home, "beside.log"), "w") as its_log:
        second = subprocess.Popen(other, stdin=subprocess.DEVNULL, stdout=its_log, stderr=its_log, env=environment)
    world.loose.append(second)
    ask = {**environment, "PLASMA_SERVER": f"unix://{beside}/plasma.sock"}

    def refused():
        done = run([BINARY, "apply", "-f", manifest], environment=ask, timeout=60)
        return done if done.code != 0 and f"process {server.pid}" in done.err else None
    until(30, "a refusal that names the server that works", refused)
    expect(plasma("get", "hosts").out.count("far") == 5, "the first goes on")
    ended(server)
    until(10, "the second server's turn", lambda: run([BINARY, "apply", "-f", manifest], environment=ask, timeout=60).code == 0)
    second.send_signal(signal.SIGKILL)
    second.wait(10)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    world.loose.append(server)
    until(10, "the first one's turn again: who was killed here is not waited for", lambda: run([BINARY, "apply", "-f", manifest], environment=environment, timeout=60).code == 0)
    ended(server)


def pages(world):
    """GET /admin/cluster/members, /health, /metrics on both ports, and keys by path"""
    world.up()
    found = fetch(world, "GET", "/admin/cluster/members")
    members = json.loads(found)
    expect(sorted(m["name"] for m in members) == ["one", "three", "two"] and sum(m["leader"] for m in members) == 1, f"{found}")
    until(10, "the same members on all pages, at rest", lambda: at_rest(world))
    connection = http.client.HTTPConnection(world.members["one"].address, 2381, timeout=5)
    for path, words in (("/metrics", "# TYPE"), ("/health", "true")):
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        expect(answer.status == 200 and words in text, f"{path}: {answer.status} {text[:300]}")
        expect(words in fetch(world, "GET", path), f"{path} at the clients' port")
    fetch(world, "PUT", "/api/v1/kv/page/a", b"by path")
    expect(unb64(world.get("page/a")["kvs"][0]["value"]) == "by path", "PUT by path")
    expect("by path" in fetch(world, "GET", "/api/v1/kv/page/a"), "GET by path")
    fetch(world, "DELETE", "/api/v1/kv/page/a")
    expect(not world.get("page/a").get("kvs"), "DELETE by path")


def at_rest(world):
    """Every member's page tells what was configured, one term, and indexes that agree."""
    leader = world.leader()
    status = world.post("/v3/maintenance/status", {}, leader.name)
    for asked in world.running():
        rows = json.loads(fetch(world, "GET", "/admin/cluster/members", member=asked.name))
        told = {row["name"]: (row["peer_urls"], row["client_urls"], row["healthy"], row["learner"], row["leader"]) for row in rows}
        wanted = {m.name: ([m.peer], [m.client], True, False, m is leader) for m in world.running()}
        expect(told == wanted, f"{asked.name} tells {told}, where {wanted} is right")
        expect({str(row["term"]) for row in rows} == {status["raftTerm"]}, f"the term is {status['raftTerm']}, but {asked.name} tells {rows}")
        for row in rows:
            # Each knows its own, and the leader how far the others are.
            known = ["applied_index", "commit_index"] if row["name"] == asked.name else ["match_index"] if asked is leader else []
            indexes = {field: str(row[field]) for field in row if field.endswith("_index")}
            expect(indexes == {field: status["raftIndex"] for field in known}, f"{asked.name} tells {row} at index {status['raftIndex']}")
    return True


def fetch(world, method, path, body=None, member="one"):
    connection = world.connection(member)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        expect(answer.status in (200, 201, 204), f"{method} {path}: {answer.status} {text}")
        return text
    finally:
        connection.close()


# As a service's own user: the program is opened before, for it may lie where that user may not look.
NOBODY = """
import os, sys
program = os.open(sys.argv[1], os.O_RDONLY)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.execve(program, sys.argv[1:], os.environ)
"""


def unprivileged(world):
    """a member that runs as nobody serves clients that run as nobody, over gRPC and HTTP"""
    if os.geteuid() != 0:
        raise Skipped("only root can become nobody")
    home = tempfile.mkdtemp(prefix="chainfire-nobody-")
    os.chown(home, 65534, 65534)
    nobody = [sys.executable, "-c", NOBODY, BINARY, "chainfire"]
    with open(os.path.join(home, "log"), "wb") as log:
        server = subprocess.Popen(
            [*nobody, "serve", "--data-dir", os.path.join(home, "data"), "--listen-client", "127.0.0.99:2379", "--listen-peer", "127.0.0.99:2380",
             "--listen-metrics", "127.0.0.99:2381"], cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    world.loose.append(server)
    endpoint = ["--endpoints", "http://127.0.0.99:2379"]

    def put():
        return run([*nobody, "put", *endpoint, "unprivileged", "yes"], timeout=20)
    try:
        until(20, "a put of nobody at nobody's member", lambda: put().code == 0)
    except Failure as failure:
        with open(os.path.join(home, "log"), errors="replace") as log:
            raise Failure(f"{failure}: {put()}; its log ends with {log.read()[-800:]}") from None
    got = run([*nobody, "get", *endpoint, "unprivileged"], timeout=20)
    expect(got.code == 0 and "yes" in got.out, f"{got}")
    for port in (2379, 2381):
        connection = http.client.HTTPConnection("127.0.0.99", port, timeout=10)
        connection.request("GET", "/health")
        answer = connection.getresponse()
        expect(answer.status == 200 and json.loads(answer.read())["health"] == "true", f"port {port} answers {answer.status}")
        connection.close()
    server.send_signal(signal.SIGTERM)
    expect(server.wait(20) == 0, f"it ended with {server.returncode}")
    shutil.rmtree(home)


SCENARIOS = [(unprivileged, 90), (configuration, 60), (looks, 60), (silence, 60), (pages, 60), (own_members, 90), (added_member, 120), (joining, 150), (snapshots, 120), (checks, 90),
             (remote_store, 150)]
OURS = [unprivileged, configuration, looks, silence, pages, own_members, added_member, joining, snapshots, checks]
ALONE = [added_member, joining, snapshots]
