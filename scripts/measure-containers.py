#!/usr/bin/env python3
"""Measures what containers cost: launches, sessions, pods, memory, and an agent with idle containers.

  scripts/measure-containers.py [launch] [images] [exec] [pod] [memory] [idle]      all of them without arguments

It needs root, a static busybox and a release build; TEPUI=PROGRAM measures another one. It starts a cluster of its own on
loopback. `exec` and `images` also measure docker if its daemon is installed, which gets directories and a socket of its own. `launch`
also measures a loop of fork and exec without any isolation, before and after, since a machine may be half as fast a minute
later. Directories are in memory (/dev/shm), so that the disk is not measured; DIRECTORY=PATH chooses others.
"""
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from measuring import DockerDaemon, wait

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEPUI = os.path.abspath(os.environ.get("TEPUI", os.path.join(HERE, "target/release/tepui")))
IMAGE = "busybox"
ROUNDS = int(os.environ.get("ROUNDS", "300"))
# The numbers of containers for the measurement of memory, and of launches and of the idle agent.
FEW, MANY = 50, int(os.environ.get("MANY", "1000"))
CPUS = 16
# The resources of an agent on which launches do not wait for each other.
LARGE = "cpus:1000;mem:1000000;disk:1000000"


def free_ports(count):
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if first + count < 65000:
            return first


class Cluster:
    def __init__(self, work, resources, **variables):
        os.makedirs(work, exist_ok=True)
        self.work, self.port = work, free_ports(2)
        store = os.path.join(work, "images")
        layout = os.path.join(work, "busybox")
        made = subprocess.run([os.path.join(HERE, "scripts/busybox-image.sh"), layout], capture_output=True, text=True)
        if made.returncode != 0:
            sys.exit(made.stderr.strip())
        self.environment = dict(os.environ, MESOS_DOCKER_STORE_DIR=store, TEPUI_MASTER=f"127.0.0.1:{self.port}", **variables)
        subprocess.run([TEPUI, "image", "import", "--as", IMAGE, layout], env=self.environment, check=True, stdout=subprocess.DEVNULL)
        log = open(os.path.join(work, "local.log"), "w")
        flags = [f"--port={self.port}", f"--work_dir={work}/cluster", "--num_slaves=1", f"--resources={resources}"]
        self.process = subprocess.Popen([TEPUI, "local", *flags], env=self.environment, stdout=log, stderr=log)
        wait("the cluster runs", lambda: "A cluster is running" in open(log.name).read())
        self.agent = next(pid for pid, line in commands() if line[1:2] == ["agent"] and f"--master=127.0.0.1:{self.port}" in line)

    def tepui(self, *arguments, **options):
        return subprocess.run([TEPUI, *arguments], env=self.environment, check=True, stdout=subprocess.PIPE, text=True, **options).stdout

    def running(self):
        tasks = json.loads(self.tepui("tasks", "--json"))
        return sum(task["state"] == "TASK_RUNNING" for task in tasks.get("tasks", []))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def commands():
    """The processes of this program, as pid and arguments."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                words = open(f"/proc/{name}/cmdline").read().split("\0")[:-1]
            except OSError:
                continue
            if words:
                yield int(name), words


def percentiles(seconds):
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {statistics.median(ordered) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms ({len(ordered)} runs)"


def timed(command, environment=None):
    begin = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def spawned_per_second(count, at_once):
    """A loop that creates processes of `true` by a shell, and waits for them, with so many at once."""
    begin, started, running = time.perf_counter(), 0, 0
    while started < count or running:
        while running < at_once and started < count:
            os.posix_spawn("/bin/sh", ["sh", "-c", "exec /bin/true"], os.environ)
            started, running = started + 1, running + 1
        os.wait()
        running -= 1
    return count / (time.perf_counter() - begin)


def cpu_of_machine():
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def launched_per_second(cluster, *arguments):
    cluster.tepui("run", "-n", "20", "-q", *arguments)
    cpu, begin = cpu_of_machine(), time.perf_counter()
    cluster.tepui("run", "-n", str(MANY), "-q", *arguments)
    seconds = time.perf_counter() - begin
    return MANY / seconds, (cpu_of_machine() - cpu) / MANY * 1000


def measure_launch(work):
    for launcher in ["linux", "posix"]:
        cluster = Cluster(os.path.join(work, launcher), LARGE, MESOS_LAUNCHER=launcher)
        try:
            bare = {at_once: [spawned_per_second(MANY, at_once)] for at_once in (1, 2)}
            rate, cpu = launched_per_second(cluster, "--", "true")
            for at_once, rates in bare.items():
                rates.append(spawned_per_second(MANY, at_once))
        finally:
            cluster.stop()
        one, two = (statistics.mean(rates) for rates in bare.values())
        print(f"{MANY} tasks of `true`, {launcher} launcher: {rate:.0f}/s, {cpu:.1f} ms of CPU each (of the whole machine)")
        print(f"  bare fork and exec: {one:.0f}/s, two at once {two:.0f}/s; ratios {rate / one:.2f} and {rate / two:.2f}")


def measure_images(work):
    cluster = Cluster(os.path.join(work, "from-image"), LARGE, MESOS_LAUNCHER="linux")
    docker = None
    try:
        rate, cpu = launched_per_second(cluster, "--image", IMAGE, "--", "true")
        print(f"{MANY} containers of `true` from one image: {rate:.0f}/s, {cpu:.1f} ms of CPU each (of the whole machine)")
        docker = Docker.start(cluster.work)
        if docker:
            best = max(docker.containers_per_second(60, at_once) for at_once in (1, 2, 4))
            print(f"  docker run of `true`, the best of one, two and four at once: {best:.1f}/s; ratio {rate / best:.1f}")
    finally:
        if docker:
            docker.stop()
        cluster.stop()


def measure_exec(cluster):
    cluster.tepui("run", "--detach", "--name", "plain", "--", "exec sleep 1000000")
    cluster.tepui("run", "--detach", "--name", "in-image", "--image", IMAGE, "--", "exec sleep 1000000")
    wait("the tasks run", lambda: cluster.running() == 2)
    for task, what in [("plain", "a task"), ("in-image", "a task in an image")]:
        command = [TEPUI, "exec", task, "--", "/bin/true" if task == "plain" else "true"]
        wait("the first session", lambda: subprocess.run(command, env=cluster.environment, capture_output=True).returncode == 0)
        times = [timed(command, cluster.environment) for _ in range(ROUNDS)]
        print(f"tepui exec beside {what}: {percentiles(times)}")
    docker = Docker.start(cluster.work)
    if docker:
        try:
            times = [timed([*docker.command, "exec", "sleeper", "true"]) for _ in range(ROUNDS)]
            print(f"docker exec: {percentiles(times)}")
        finally:
            docker.stop()
    cluster.tepui("cancel", "plain")
    cluster.tepui("cancel", "in-image")
    wait("the tasks have ended", lambda: cluster.running() == 0)


class Docker(DockerDaemon):
    """A daemon with an image of busybox and a container that sleeps."""

    @staticmethod
    def start(work):
        if not shutil.which("dockerd") or not shutil.which("docker"):
            print("docker: not measured, docker.io is not installed")
            return None
        self = Docker(os.path.join(work, "docker"))
        layer = os.path.join(work, "busybox/blobs/sha256")
        largest = max((os.path.join(layer, name) for name in os.listdir(layer)), key=os.path.getsize)
        subprocess.run([*self.command, "import", largest, "busybox"], check=True, stdout=subprocess.DEVNULL)
        run = ["run", "-d", "--name", "sleeper", "--network=none", "busybox", "/bin/sleep", "1000000"]
        subprocess.run([*self.command, *run], check=True, stdout=subprocess.DEVNULL)
        return self

    def containers_per_second(self, count, at_once):
        """Runs containers of `true` with limits, without network, and removes them."""
        limits = ["--rm", "--network=none", "--cpus=0.1", "--memory=32m", "--pids-limit=100"]
        command = [*self.command, "run", *limits, "busybox", "/bin/true"]
        begin = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(at_once) as threads:
            list(threads.map(lambda _: subprocess.run(command, check=True, stdin=subprocess.DEVNULL), range(count)))
        return count / (time.perf_counter() - begin)

    def stop(self):
        subprocess.run([*self.command, "rm", "-f", "sleeper"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().stop()


class Scheduler:
    """A scheduler by the v1 API in JSON."""

    def __init__(self, port):
        self.offers = {}
        self.stream = http.client.HTTPConnection("127.0.0.1", port)
        info = {"user": "root", "name": "measure-containers", "roles": ["*"], "capabilities": [{"type": "MULTI_ROLE"}]}
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
        self.stream.request("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json", "Accept": "application/json"})
        self.response = self.stream.getresponse()
        self.id = self.response.getheader("Mesos-Stream-Id")
        self.calls = http.client.HTTPConnection("127.0.0.1", port)
        self.framework = self.event("SUBSCRIBED")["subscribed"]["framework_id"]

    def event(self, *kinds):
        while True:
            length = b""
            while not length.endswith(b"\n"):
                length += self.response.read(1)
            event = json.loads(self.response.read(int(length)))
            for offer in event.get("offers", {}).get("offers", []):
                self.offers[offer["id"]["value"]] = offer
            if event["type"] == "RESCIND":
                self.offers.pop(event["rescind"]["offer_id"]["value"], None)
            if event["type"] in kinds:
                return event

    def call(self, kind, **fields):
        body = json.dumps({"type": kind, "framework_id": self.framework, **fields})
        headers = {"Content-Type": "application/json", "Mesos-Stream-Id": self.id}
        self.calls.request("POST", "/api/v1/scheduler", body, headers)
        answer = self.calls.getresponse()
        text = answer.read()
        if answer.status != 202:
            sys.exit(f"{kind}: {answer.status} {text.decode()}")

    def all_offers(self):
        """Takes the offers with everything that the agent has, once the pod before is gone."""
        cpus = lambda offer: sum(r["scalar"]["value"] for r in offer["resources"] if r["name"] == "cpus")
        while abs(sum(cpus(offer) for offer in self.offers.values()) - CPUS) > 0.001:
            self.event("OFFERS", "RESCIND")
        offers, self.offers = list(self.offers.values()), {}
        return offers

    def update(self):
        status = self.event("UPDATE")["update"]["status"]
        if "uuid" in status:
            keys = {name: status[name] for name in ["agent_id", "task_id", "uuid"]}
            self.call("ACKNOWLEDGE", acknowledge=keys)
        return status


def scalar(name, value):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "*"}}


def measure_pod(cluster):
    scheduler, times = Scheduler(cluster.port), {False: [], True: []}
    for number in range(2 * 15):
        image = number % 2 == 1
        offers = scheduler.all_offers()
        agent = offers[0]["agent_id"]
        names = {f"pod{number}.{task}" for task in range(10)}
        container = {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": IMAGE}}}} if image else {"type": "MESOS"}
        tasks = [
            {
                "name": name, "task_id": {"value": name}, "agent_id": agent, "command": {"value": "exec sleep 1000000"},
                "resources": [scalar("cpus", 0.01), scalar("mem", 16)], "container": container,
            }
            for name in names
        ]
        executor = {
            "type": "DEFAULT", "executor_id": {"value": f"pod{number}"}, "framework_id": scheduler.framework,
            "resources": [scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 10)],
        }
        group = {"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": tasks}}}
        accept = {"offer_ids": [offer["id"] for offer in offers], "operations": [group], "filters": {"refuse_seconds": 0}}
        begin = time.perf_counter()
        scheduler.call("ACCEPT", accept=accept)
        waiting = set(names)
        while waiting:
            status = scheduler.update()
            if status["state"] == "TASK_RUNNING":
                waiting.discard(status["task_id"]["value"])
            elif status["state"] not in ("TASK_STARTING", "TASK_STAGING"):
                sys.exit(f"{status['state']}: {status.get('message')}")
        times[image].append(time.perf_counter() - begin)
        scheduler.call("KILL", kill={"task_id": {"value": f"pod{number}.0"}})
        ended = set()
        while ended != names:
            status = scheduler.update()
            if status["state"] in ("TASK_KILLED", "TASK_FAILED", "TASK_FINISHED"):
                ended.add(status["task_id"]["value"])
    scheduler.call("TEARDOWN")
    print(f"a pod of ten containers, accept to all RUNNING: {percentiles(times[False])}")
    print(f"a pod of ten containers in images, accept to all RUNNING: {percentiles(times[True])}")


def private(pid):
    """The private memory of a process in KiB; a page that several processes share counts for none of them."""
    try:
        lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def parent(pid):
    try:
        return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def roles(cluster):
    """The processes in containers that are ours, by their role. Other agents of the machine have others."""
    found = {}
    for pid, words in commands():
        is_ours = len(words) > 1 and words[1] in ("executor", "default-executor", "container-init")
        if is_ours and parent(pid) == cluster.agent:
            found.setdefault(words[1], []).append(private(pid))
    return found


def measure_memory(cluster):
    for arguments, what in [([], "a command task"), (["--image", IMAGE], "a command task in an image")]:
        cluster.tepui("run", "--detach", "-n", str(FEW), "--name", "memory", "--cpus", "0.01", "--mem", "8", *arguments, "--", "exec sleep 1000000")
        wait("the tasks run", lambda: cluster.running() == FEW)
        time.sleep(2)
        sizes = [size for kind in roles(cluster).values() for size in kind]
        print(f"private memory of our processes for {what}: {sum(sizes) / FEW / 1024:.2f} MB per container")
        end_all(cluster)
    pod = os.path.join(cluster.work, "pod.json")
    tasks = [{"name": f"t{n}", "command": "exec sleep 1000000", "cpus": 0.01, "mem": 8} for n in range(10)]
    json.dump({"name": "memory-pod", "tasks": tasks}, open(pod, "w"))
    cluster.tepui("run", "--detach", "--pod", pod)
    wait("the pod runs", lambda: cluster.running() == 10)
    time.sleep(2)
    found = roles(cluster)
    print(f"private memory of a pod's executor: {max(found['default-executor']) / 1024:.2f} MB")
    print(f"private memory of the inits of its containers: {statistics.mean(found['container-init']) / 1024:.2f} MB each")
    end_all(cluster)


def end_all(cluster):
    frameworks = json.loads(cluster.tepui("frameworks", "--json")).get("frameworks", [])
    for framework in frameworks:
        body = "frameworkId=" + framework["framework_info"]["id"]["value"]
        connection = http.client.HTTPConnection("127.0.0.1", cluster.port)
        connection.request("POST", "/teardown", body)
        connection.getresponse().read()
    wait("the tasks have ended", lambda: cluster.running() == 0 and not roles(cluster))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_idle(cluster):
    begin = time.perf_counter()
    cluster.tepui("run", "--detach", "-n", str(MANY), "--name", "idle", "--cpus", "0.01", "--mem", "8", "--", "exec sleep 1000000")
    wait("the tasks run", lambda: cluster.running() == MANY, 300)
    print(f"{MANY} containers run after {time.perf_counter() - begin:.1f} s")
    time.sleep(10)
    before, at = cpu_seconds(cluster.agent), time.perf_counter()
    time.sleep(30)
    used = (cpu_seconds(cluster.agent) - before) / (time.perf_counter() - at)
    print(f"CPU of an agent with {MANY} idle containers: {used * 100:.2f} % of a core")
    end_all(cluster)


def main():
    if os.geteuid() != 0:
        sys.exit("measure-containers needs root")
    own = {"launch": measure_launch, "images": measure_images}
    shared = {"exec": measure_exec, "pod": measure_pod, "memory": measure_memory, "idle": measure_idle}
    chosen = sys.argv[1:] or [*own, *shared]
    unknown = [name for name in chosen if name not in own and name not in shared]
    if unknown:
        sys.exit(f"{unknown[0]} is none of {', '.join([*own, *shared])}")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tepui-measure-", dir=os.environ.get("DIRECTORY", memory)) as work:
        for name in filter(own.get, chosen):
            own[name](work)
            sys.stdout.flush()
        if any(map(shared.get, chosen)):
            cluster = Cluster(work, f"cpus:{CPUS};mem:16384;disk:16384;ports:[31000-32000]")
            try:
                for name in filter(shared.get, chosen):
                    shared[name](cluster)
                    sys.stdout.flush()
            finally:
                cluster.stop()


main()
