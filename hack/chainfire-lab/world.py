"""The members of one cluster as processes on loopback, their certificates, and what is asked of them."""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("PLASMA_BINARY", os.path.join(ROOT, ".build/debug/plasma"))
TOOLS = os.path.join(ROOT, ".build/etcd/usr/bin")
NAMES = ["one", "two", "three"]
TOKEN = "what members of the lab show to join it"
sys.path.insert(0, os.path.join(ROOT, "hack"))

import verdicts  # noqa: E402


class Failure(Exception):
    """What a scenario found that should not be."""


class Skipped(Exception):
    """Why a scenario cannot run here."""


class Refused(Exception):
    """An answer of the gateway that is an error: its gRPC code and message."""

    def __init__(self, code, message):
        super().__init__(f"code {code}: {message}")
        self.code, self.message = code, message


def expect(claim, why):
    if not claim:
        raise Failure(why)


def until(seconds, what, check):
    """Asks `check` until it gives something; that is returned. `what` says in a failure what did not come."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            found = check()
            if found:
                return found
        except (Failure, Refused, OSError, ValueError, KeyError, http.client.HTTPException) as error:
            last = error
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not come within {seconds} s" + (f" ({last})" if last else ""))
        time.sleep(0.1)


def closes(connection, seconds):
    """Whether the other side ends a connection in time, whatever it says before."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(65_536):
                return True
        except TimeoutError:
            return False
        except OSError:
            return True
    return False


def tool(name):
    """Debian's etcd and etcdctl: installed, or unpacked below .build by hack/setup."""
    unpacked = os.path.join(TOOLS, name)
    return unpacked if os.path.exists(unpacked) else shutil.which(name)


class Done:
    """What a command printed and how it ended."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    @property
    def text(self):
        return self.out + self.err

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        shown = " ".join([os.path.basename(self.command[0]), *self.command[1:]])
        return f"`{shown}` ended with {self.code}:\n{self.text.rstrip()[-1500:]}"


def run(command, timeout=30, stdin=None, environment=None):
    try:
        done = subprocess.run(command, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=timeout, env=environment)
    except subprocess.TimeoutExpired as late:
        said = "".join((s if isinstance(s, str) else s.decode(errors="replace")) for s in (late.stdout, late.stderr) if s)
        raise Failure(f"`{' '.join(command)}` did not end within {timeout} s: {said[-800:]}") from None
    return Done(command, done.returncode, done.stdout, done.stderr)


def must(command, code=0, **options):
    done = run(command, **options)
    expect(done.code == code, f"exit code {code} was expected, but {done}")
    return done


class Authority:
    """A certificate authority made with openssl, and certificates of it."""

    def __init__(self, folder, name="lab"):
        self.folder = os.path.join(folder, f"ca-{name}")
        os.makedirs(self.folder)
        self.certificate, self.key = self.path("ca.crt"), self.path("ca.key")
        must(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
              "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate])

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, certificate, key, addresses=()):
        """A certificate for both sides of TLS; etcd's gateway calls its own server with it."""
        names = ["DNS:localhost"] + [f"IP:{address}" for address in addresses]
        extensions, request = self.path(f"{name}.ext"), self.path(f"{name}.csr")
        with open(extensions, "w") as file:
            file.write("extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=" + ",".join(names) + "\n")
        fresh = [self.path(f"{name}.new.crt"), self.path(f"{name}.new.key")]
        must(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
              "-keyout", fresh[1], "-out", request])
        must(["openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
              "-days", "2", "-extfile", extensions, "-out", fresh[0]])
        # As those who renew certificates do it: each file whole, by a rename.
        os.replace(fresh[1], key)
        os.replace(fresh[0], certificate)


class Member:
    """One server: its directory, its addresses, its process."""

    def __init__(self, home, name, number):
        self.name = name
        self.address = f"127.0.0.{10 + number}"
        self.folder = os.path.join(home, name)
        os.makedirs(self.folder, exist_ok=True)
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        # What it was told last of how to join.
        self.join = None
        self.certificate, self.key = os.path.join(self.folder, "tls.crt"), os.path.join(self.folder, "tls.key")
        self.config = os.path.join(self.folder, "chainfire.yaml")
        self.process = None

    @property
    def client(self):
        return f"https://{self.address}:2379"

    @property
    def peer(self):
        return f"https://{self.address}:2380"

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def spawn(self, command, environment=None):
        expect(not self.is_running, f"{self.name} runs already")
        with open(self.log, "ab") as log:
            log.write(b"--- start\n")
            log.flush()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def send(self, number):
        expect(self.is_running, f"{self.name} had ended by itself with exit code {self.process and self.process.returncode}")
        self.process.send_signal(number)

    def wait(self, seconds):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end within {seconds} s") from None
        self.process = None
        return code

    def stop(self, number=signal.SIGTERM, seconds=20):
        self.send(number)
        return self.wait(seconds)

    def tail(self, count=12):
        try:
            with open(self.log, errors="replace") as file:
                return "".join(f"      {self.name} | {line}" for line in file.readlines()[-count:])
        except FileNotFoundError:
            return ""


class World:
    """A cluster under test: plasma's, or etcd's to prove that the scenarios are right."""

    def __init__(self, against="plasma"):
        self.against = against
        self.home = tempfile.mkdtemp(prefix="chainfire-")
        self.ca = Authority(self.home)
        self.client_certificate, self.client_key = os.path.join(self.home, "client.crt"), os.path.join(self.home, "client.key")
        self.ca.issue("tester", self.client_certificate, self.client_key)
        self.members, self.count = {}, 0
        self.loose = []
        for name in NAMES:
            self.member(name)

    # Members

    def member(self, name):
        """A place for a member that is not started yet."""
        self.count += 1
        member = Member(self.home, name, self.count)
        self.ca.issue(name, member.certificate, member.key, [member.address, "127.0.0.1"])
        self.members[name] = member
        return member

    def start(self, *names, existing=None, data=None, join=None, environment=None):
        """Starts members that are set up together; `existing` is the initial cluster of one that joins the etcd way."""
        for name in names or [n for n in self.members if not self.members[n].is_running]:
            member = self.members[name]
            member.join = join or member.join
            command = self.etcd_command(member, existing) if self.against == "etcd" else self.plasma_command(member, data, join)
            member.spawn(command, environment)

    def initial(self):
        return {name: self.members[name].peer for name in NAMES}

    def etcd_command(self, member, existing):
        cluster = existing or ",".join(f"{name}={url}" for name, url in self.initial().items())
        return [
            tool("etcd"), "--name", member.name, "--data-dir", member.data, "--logger", "zap", "--log-level", "warn",
            "--listen-client-urls", member.client, "--advertise-client-urls", member.client,
            "--listen-peer-urls", member.peer, "--initial-advertise-peer-urls", member.peer,
            "--listen-metrics-urls", f"http://{member.address}:2381",
            "--initial-cluster", cluster, "--initial-cluster-state", "existing" if existing else "new", "--initial-cluster-token", "lab",
            "--cert-file", member.certificate, "--key-file", member.key, "--trusted-ca-file", self.ca.certificate, "--client-cert-auth",
            "--peer-cert-file", member.certificate, "--peer-key-file", member.key, "--peer-trusted-ca-file", self.ca.certificate,
            "--peer-client-cert-auth"]

    def plasma_command(self, member, data, join):
        tls = {"cert": member.certificate, "key": member.key, "ca": self.ca.certificate}
        config = {
            "name": member.name, "data_dir": data or member.data,
            "listen_client": member.client, "advertise_client": [member.client],
            "listen_peer": member.peer, "advertise_peer": [member.peer],
            "listen_metrics": f"http://{member.address}:2381", "join_token": TOKEN,
            "tls": {"client": {**tls, "client_auth": "required"}, "peer": tls}}
        if join:
            config.update({"bootstrap": False, **join})
            if "join_token_file" in join:
                del config["join_token"]
        else:
            config.update({"bootstrap": True, "initial_peers": [f"{name}={url}" for name, url in self.initial().items()]})
        # JSON is YAML.
        with open(member.config, "w") as file:
            json.dump(config, file, indent=2)
        return [BINARY, "chainfire", "serve", "--config", member.config]

    def up(self, seconds=40):
        """All three run and answer, whatever was before."""
        self.start(*[name for name in NAMES if not self.members[name].is_running])
        for name in NAMES:
            until(seconds, f"a linearizable read at {name}", lambda name=name: self.get("up", member=name)["header"])

    def running(self):
        return [member for member in self.members.values() if member.is_running]

    def leader(self, seconds=20):
        """The member that a majority of the running ones calls their leader."""
        def agreed():
            votes = {}
            for member in self.running():
                status = self.post("/v3/maintenance/status", {}, member.name, timeout=3)
                if status.get("leader", "0") not in ("0", 0):
                    votes.setdefault(status["leader"], []).append((member, status))
            for leader, told in votes.items():
                if len(told) * 2 > len(self.running()):
                    for member, status in told:
                        if status["header"]["member_id"] == leader:
                            return member
            return None
        return until(seconds, "a leader that most agree on", agreed)

    def followers(self):
        leader = self.leader()
        return [member for member in self.running() if member is not leader]

    # Questions

    def context(self, certificate=True, ca=None):
        context = ssl.create_default_context(cafile=ca or self.ca.certificate)
        if certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context

    def connection(self, member, timeout=5):
        return http.client.HTTPSConnection(self.members[member].address, 2379, timeout=timeout, context=self.context())

    def post(self, path, body, member=NAMES[0], timeout=5):
        connection = self.connection(member, timeout)
        try:
            return ask(connection, path, body)
        finally:
            connection.close()

    def get(self, key, member=NAMES[0], **more):
        return self.post("/v3/kv/range", {"key": b64(key), **more}, member)

    def put(self, key, value, member=NAMES[0], **more):
        return self.post("/v3/kv/put", {"key": b64(key), "value": b64(value), **more}, member)

    def metrics_page(self, member):
        connection = http.client.HTTPConnection(self.members[member].address, 2381, timeout=5)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode().splitlines()
        finally:
            connection.close()

    def families(self, member):
        """What the metrics page says that each of its metrics means."""
        page = self.metrics_page(member)
        said = dict(line.split(" ", 3)[2:] for line in page if line.startswith("# HELP "))
        return {line.split()[2]: said.get(line.split()[2]) for line in page if line.startswith("# TYPE ")}

    def metrics(self, member):
        """The numbers of the metrics page, by name and labels as they stand there."""
        lines = self.metrics_page(member)
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}

    def metric(self, name, member):
        """A number on the metrics page."""
        found = self.metrics(member)
        expect(name in found, f"{name} is not among the metrics of {member}")
        return found[name]

    def etcdctl_command(self, *arguments, endpoints=None):
        urls = ",".join(self.members[name].client for name in (endpoints or [m.name for m in self.running()]))
        return [tool("etcdctl"), "--endpoints", urls, "--cacert", self.ca.certificate, "--cert", self.client_certificate,
                "--key", self.client_key, *map(str, arguments)]

    def ctl(self, *arguments, code=0, endpoints=None, timeout=30, stdin=None):
        """etcdctl; ends as `code` says, or the scenario fails."""
        return must(self.etcdctl_command(*arguments, endpoints=endpoints), code=code, timeout=timeout, stdin=stdin,
                    environment={**os.environ, "ETCDCTL_API": "3"})

    def etcdctl(self, *arguments, **options):
        """etcdctl in the background."""
        process = subprocess.Popen(self.etcdctl_command(*arguments, **options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, bufsize=1, env={**os.environ, "ETCDCTL_API": "3"})
        self.loose.append(process)
        return process

    def plasma(self, *arguments, code=0, endpoints=None, timeout=30, stdin=None):
        """`plasma chainfire …` against the cluster."""
        urls = ",".join(self.members[name].client for name in (endpoints or [m.name for m in self.running()]))
        return must([BINARY, "chainfire", *map(str, arguments), "--endpoints", urls, "--ca-file", self.ca.certificate,
                     "--cert-file", self.client_certificate, "--key-file", self.client_key],
                    code=code, timeout=timeout, stdin=stdin, environment={**os.environ, "NO_COLOR": "1"})

    # The end

    def clear(self):
        """Ends every process of the scenario before and forgets its members: the next one begins anew."""
        for process in self.loose:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.loose = []
        for member in self.members.values():
            if member.is_running:
                member.process.kill()
                member.process.wait()
            member.process = None

    def reset(self):
        self.clear()
        for member in self.members.values():
            shutil.rmtree(member.folder, ignore_errors=True)
        self.members, self.count = {}, 0
        for name in NAMES:
            self.member(name)

    def close(self, keep):
        self.clear()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def tell(self, tally):
        for member in self.members.values():
            verdicts.tell(member.log, 12, tally)


def ask(connection, path, body):
    """One call of the JSON gateway on an open connection."""
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    try:
        read = json.loads(text)
    except ValueError:
        raise Refused(answer.status, text[:200].decode(errors="replace")) from None
    if answer.status != 200 or "error" in read:
        raise Refused(read.get("code", answer.status), read.get("message") or read.get("error"))
    return read


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def unb64(text):
    return base64.b64decode(text).decode()


def prefix_end(prefix):
    return b64(prefix[:-1] + chr(ord(prefix[-1]) + 1))

