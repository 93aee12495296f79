"""The first boot of nodes: members started with the cluster-config.json that plasma renders, and `plasma first-boot` beside each."""

import json
import os
import shutil
import socket
import subprocess
import time

from world import BINARY, expect, must, run, until


class Node:
    """A node's files: /etc/nixos/secrets, /var/lib/chainfire and /var/lib/first-boot-automation, each below one folder."""

    def __init__(self, world, number):
        self.world = world
        self.name = f"node0{number}"
        self.address = f"127.0.0.{30 + number}"
        self.folder = os.path.join(world.home, self.name)
        self.secrets, self.state = os.path.join(self.folder, "secrets"), os.path.join(self.folder, "first-boot-automation")
        os.makedirs(self.secrets)
        shutil.copy(world.ca.certificate, self.path("ca.crt"))
        world.ca.issue(self.name, self.path(f"{self.name}.crt"), self.path(f"{self.name}.key"), [self.address, "127.0.0.1"])
        self.serve = None
        # As systemd listens to a unit of Type=notify.
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(os.path.join(self.folder, "notify"))
        self.manager.setblocking(False)

    def path(self, name):
        return os.path.join(self.secrets, name)

    def configure(self, founders, bootstrap=True, token="the join token of this cluster, long enough"):
        """cluster-config.json as it is rendered, but for 0.0.0.0, which several on one machine cannot share."""
        files = {"ca": "ca.crt", "cert": f"{self.name}.crt", "key": f"{self.name}.key"}
        first = founders[0].address
        config = {
            "advertise_client": f"https://{self.address}:2379", "advertise_peer": f"https://{self.address}:2380", "bootstrap": bootstrap,
            "cluster_name": "plasma", "domain": "plasma.local", "flaredb_leader_url": f"https://{first}:2479",
            "flaredb_peers": [f"{node.name}=https://{node.address}:2480" for node in founders],
            "initial_peers": [f"{node.name}=https://{node.address}:2380" for node in founders], "join_token_file": "join.token",
            "leader_url": f"https://{first}:2379", "listen_client": f"{self.address}:2379", "listen_metrics": f"{self.address}:2381",
            "listen_peer": f"{self.address}:2380", "node_id": self.name, "node_role": "control-plane",
            "tls": {"client": {**files, "client_auth": "optional"}, "peer": files}}
        with open(self.path("cluster-config.json"), "w") as file:
            json.dump(config, file, indent=2, sort_keys=True)
        with open(self.path("join.token"), "w") as file:
            file.write(token + "\n")

    def start(self):
        self.serve = self.spawn("serve", "chainfire", "serve", "--config", self.path("cluster-config.json"), "--data-dir",
                                os.path.join(self.folder, "chainfire"), NOTIFY_SOCKET=self.manager.getsockname())

    def heard(self):
        """What the service told since it was last asked."""
        try:
            return self.manager.recv(4096).decode()
        except BlockingIOError:
            return ""

    def spawn(self, log, *arguments, **variables):
        with open(os.path.join(self.folder, f"{log}.log"), "ab") as file:
            process = subprocess.Popen([BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(os.environ, **variables))
        self.world.loose.append(process)
        return process

    @property
    def first_boot_arguments(self):
        return ["first-boot", "chainfire", "--config", self.path("cluster-config.json"), "--state-dir", self.state]

    def boot(self, *more):
        return self.spawn("boot", *self.first_boot_arguments, *more)

    def told(self, log):
        with open(os.path.join(self.folder, f"{log}.log"), errors="replace") as file:
            return file.read()

    def noted(self):
        with open(os.path.join(self.state, "chainfire.json")) as file:
            return json.load(file)

    def has(self, marker):
        return os.path.exists(os.path.join(self.state, marker))


def members_of(node):
    """As the reference document asks: whatever certificate it has, and with none of one's own."""
    said = must(["curl", "-sk", "--noproxy", "*", f"https://{node.address}:2379/admin/cluster/members"]).out
    expect(said.startswith("["), f"{node.name} answers no list of members: {said[:300]!r}")
    return json.loads(said)


def ended(node, process, seconds):
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        code = "nothing"
    expect(code == 0, f"{node.name}: first-boot ended with {code}:\n{node.told('boot')[-2000:]}\n{node.told('serve')[-2000:]}")


def first_boot(world):
    """three nodes with rendered files form a cluster, each first-boot sees it; a fourth is let in and promoted; again is quick"""
    world.clear()
    nodes = [Node(world, number) for number in (1, 2, 3)]
    for node in nodes:
        node.configure(nodes)
    # One alone waits, and says for what.
    nodes[0].start()
    boots = [nodes[0].boot("--timeout", "2m")]
    until(20, "a reason to wait", lambda: "leader" in nodes[0].noted()["message"] or "member" in nodes[0].noted()["message"])
    expect(nodes[0].noted()["state"] == "running" and nodes[0].noted()["step"] == "bootstrapping", f"{nodes[0].noted()}")
    expect(not nodes[0].has(".chainfire-initialized"), "the marker came too soon")
    told = nodes[0].heard()
    expect(told == "READY=1\nSTATUS=serves clients on port 2379", f"systemd was told {told!r}")
    began = time.monotonic()
    for node in nodes[1:]:
        node.start()
        boots.append(node.boot("--timeout", "2m"))
    for node, process in zip(nodes, boots):
        ended(node, process, 60)
    formed = time.monotonic() - began
    for node in nodes:
        expect(node.has(".chainfire-initialized") and node.noted()["state"] == "done", f"{node.name}: {node.noted()}")
        for words in ("node_role is for people", "flaredb_peers is FlareDB's", "leader_url is for bootstrap: false"):
            expect(words in node.told("serve"), f"{words!r} is not said:\n{node.told('serve')[-1500:]}")
    lines = nodes[0].told("boot").splitlines()
    expect(all(line.startswith("time=") and " attempt=" in line and " reason=" in line for line in lines), f"{lines}")
    members = members_of(nodes[0])
    expect(sorted(m["name"] for m in members) == ["node01", "node02", "node03"] and sum(m["leader"] for m in members) == 1, f"{members}")
    expect(all(m["healthy"] for m in members), f"{members}")
    flags = ["--ca-file", nodes[0].path("ca.crt")]
    # Those who show no certificate are told how the cluster stands, and nothing of what it keeps.
    for arguments in (["put", "first", "boot"], ["get", "first"]):
        done = run([BINARY, "chainfire", *arguments, "--endpoints", f"https://{nodes[0].address}:2379", *flags])
        expect(done.code == 1 and "a client certificate is needed" in done.err, f"{arguments}: {done}")
    for path, body in (("v3/kv/range", '{"key": "AA==", "range_end": "AA=="}'), ("api/v1/kv/first", None)):
        said = must(["curl", "-sk", "--noproxy", "*", "-w", "%{http_code}", f"https://{nodes[0].address}:2379/{path}", *(["-d", body] if body else [])]).out
        expect(said.endswith("403") and "a client certificate is needed" in said, f"{path}: {said}")
    flags += ["--cert-file", nodes[0].path("node01.crt"), "--key-file", nodes[0].path("node01.key")]
    must([BINARY, "chainfire", "put", "first", "boot", "--endpoints", f"https://{nodes[0].address}:2379", *flags])
    for node in nodes[1:]:
        found = must([BINARY, "chainfire", "get", "first", "--endpoints", f"https://{node.address}:2379", *flags])
        expect("boot" in found.out, f"{found}")
    # A fourth is no founder.
    four = Node(world, 4)
    four.configure(nodes, bootstrap=False)
    process = four.boot("--timeout", "1m")
    until(10, "a reason to wait", lambda: "asks https://127.0.0.31:2379 to be let in" in four.noted()["message"])
    four.start()
    ended(four, process, 60)
    told = [four.heard(), four.heard()]
    expect("STATUS=asks https://127.0.0.31:2379 to let it join" in told[0] and "STATUS=serves" in told[1], f"systemd was told {told}")
    expect(four.has(".chainfire-joined") and four.noted()["step"] == "joined", f"{four.noted()}")
    members = members_of(four)
    expect(sorted(m["name"] for m in members if not m["learner"]) == ["node01", "node02", "node03", "node04"], f"{members}")
    # Once more: nothing to do, healthy or not.
    began = time.monotonic()
    must([BINARY, *nodes[1].first_boot_arguments])
    expect("was over before, and the member is well" in nodes[1].noted()["message"], f"{nodes[1].noted()}")
    nodes[1].serve.kill()
    nodes[1].serve.wait()
    must([BINARY, *nodes[1].first_boot_arguments])
    expect("not well now" in nodes[1].noted()["message"] and nodes[1].noted()["state"] == "done", f"{nodes[1].noted()}")
    again = time.monotonic() - began
    refusals(world, nodes)
    return f"formed {formed:.1f} s after the last two were started; two more runs took {again:.1f} s"


def refusals(world, nodes):
    """Who is not let in gives up in time and says why; what is not there yet is said."""
    five = Node(world, 5)
    five.configure(nodes, bootstrap=False, token="this is not the token of the cluster")
    five.start()
    until(20, "a refusal", lambda: five.serve.poll() is not None)
    expect(five.serve.returncode == 1 and "join token" in five.told("serve"), five.told("serve")[-800:])
    done = run([BINARY, *five.first_boot_arguments, "--timeout", "3s"])
    expect(done.code == 1 and "gave up after" in done.err and five.noted()["state"] == "failed", f"{done} {five.noted()}")
    expect(not five.has(".chainfire-joined"), "a marker of what was not")
    done = run([BINARY, "first-boot", "chainfire", "--config", "/none.json", "--state-dir", five.state])
    expect(done.code == 1 and "/none.json" in five.noted()["message"], f"{done} {five.noted()}")
    done = run([BINARY, "first-boot", "flaredb"])
    expect(done.code == 1 and "not there yet in this version" in done.err, f"{done}")


SCENARIOS = [(first_boot, 180)]
OURS = [first_boot]
ALONE = [first_boot]
