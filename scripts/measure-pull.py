#!/usr/bin/env python3
"""Measures how long the pull of an image takes, in Tepui and in other programs, in turns.

  scripts/measure-pull.py [--rounds N] [--layers N] [--keep DIR] [NAME…]

Each round runs every program once, each with a new store and after a sync of the disk that is not counted. A NAME chooses a
program: tepui, docker, skopeo-oci, skopeo-dir, skopeo-umoci (which unpacks too); without any, all that can be installed are
measured. The image has ten layers of 50 MB: files of this machine, and one large file in each that cannot be compressed. A registry
on this machine serves it. --keep makes image and registry in DIR and leaves them there for the next run.
The stores are on a file system of their own, ext4 with a journal in a loop device, and nothing is removed between the rounds:
an ext4 without journal does not use inodes again for minutes after a removal, and walks over all of them for each new file.
It needs root and a release build; TEPUI=PROGRAM measures another one (NAME tepui; TEPUI_B=PROGRAM a second one beside it).
"""
import argparse
import gzip
import hashlib
import http.client
import io
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

from measuring import DockerDaemon

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYER_BYTES = 50_000_000
# What cannot be compressed in each layer.
RANDOM_BYTES = 15_000_000
# Larger files would fill a layer alone.
LARGEST = 8_000_000


def files_of_this_machine():
    """Paths of ordinary files below /usr, in the same order each time, again and again."""
    while True:
        found = False
        for directory, names, files in os.walk("/usr"):
            names.sort()
            for name in sorted(files):
                path = os.path.join(directory, name)
                try:
                    usable = not os.path.islink(path) and os.path.isfile(path) and 0 < os.path.getsize(path) <= LARGEST
                except OSError:
                    continue
                if usable:
                    found = True
                    yield path
        if not found:
            sys.exit("there are no files below /usr to make an image of")


def member(name, size, kind=tarfile.REGTYPE, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode, info.mtime = size, kind, mode, 1_700_000_000
    return info


def make_layer(number, paths):
    """An uncompressed layer, and the number of its files."""
    buffer, files, bytes_left, known = io.BytesIO(), 1, LAYER_BYTES - RANDOM_BYTES, set()
    chance = random.Random(number)
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        root = f"layer{number}"

        def directories(path):
            if path and path not in known:
                directories(os.path.dirname(path))
                known.add(path)
                archive.addfile(member(path, 0, tarfile.DIRTYPE, 0o755))

        directories(root)
        archive.addfile(member(f"{root}/large", RANDOM_BYTES), io.BytesIO(chance.randbytes(RANDOM_BYTES)))
        for path in paths:
            try:
                content = open(path, "rb").read()
            except OSError:
                continue
            name = root + path
            if name in known:
                continue
            directories(os.path.dirname(name))
            known.add(name)
            archive.addfile(member(name, len(content), mode=os.stat(path).st_mode & 0o7777), io.BytesIO(content))
            files += 1
            bytes_left -= len(content)
            if bytes_left <= 0:
                return buffer.getvalue(), files
    sys.exit("unreachable")


class Registry:
    SCRIPT = os.path.join(HERE, "tests/registry/registry.sh")

    def __init__(self, place):
        self.place = place
        started = subprocess.run([self.SCRIPT, "start", place, "plain"], stdout=subprocess.PIPE, text=True)
        if started.returncode != 0:
            sys.exit("the registry cannot be started")
        self.at = started.stdout.strip()

    def request(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection(self.at, timeout=120)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 300:
            sys.exit(f"the registry answers {method} {path} with {answer.status}")
        return answer

    def push(self, media_type, content):
        """Uploads a blob and returns its descriptor."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        location = self.request("POST", "/v2/app/blobs/uploads/").getheader("location")
        location = "/" + location.split("/", 3)[3] if location.startswith("http") else location
        separator = "&" if "?" in location else "?"
        self.request("PUT", f"{location}{separator}digest={digest}", content, {"content-type": "application/octet-stream"})
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def make_image(self, layers):
        paths, descriptors, diff_ids, unpacked, files = files_of_this_machine(), [], [], 0, 0
        for number in range(layers):
            archive, count = make_layer(number, paths)
            unpacked, files = unpacked + len(archive), files + count
            diff_ids.append("sha256:" + hashlib.sha256(archive).hexdigest())
            # 6 is the level of `docker push`.
            packed = gzip.compress(archive, 6, mtime=0)
            descriptors.append(self.push("application/vnd.docker.image.rootfs.diff.tar.gzip", packed))
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["true"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        media_type = "application/vnd.docker.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": media_type, "layers": descriptors}
        manifest["config"] = self.push("application/vnd.docker.container.image.v1+json", json.dumps(config).encode())
        self.request("PUT", "/v2/app/manifests/t", json.dumps(manifest).encode(), {"content-type": media_type})
        packed = sum(descriptor["size"] for descriptor in descriptors)
        return f"{layers} layers, {files} files, {unpacked / 1e6:.0f} MB, packed {packed / 1e6:.0f} MB"

    def stop(self):
        subprocess.run([self.SCRIPT, "stop", self.place])


def install(*packages):
    script = os.path.join(HERE, "tests/packages/install.sh")
    return subprocess.run([script, *packages], stdout=subprocess.DEVNULL).returncode == 0


def cpu_of_tree(pid):
    """The seconds of CPU of a process and of its children that have ended."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


class FileSystem:
    """A new ext4 file system in a loop device, mounted on a directory."""

    def __init__(self, work):
        self.image, self.at = os.path.join(work, "disk"), os.path.join(work, "mounted")
        os.mkdir(self.at)
        with open(self.image, "w") as file:
            file.truncate(24 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-E", "lazy_itable_init=1", self.image], check=True)
        # Without direct I/O everything would be cached twice.
        attach = ["losetup", "--find", "--show", "--direct-io=on", self.image]
        self.device = subprocess.run(attach, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        subprocess.run(["mount", self.device, self.at], check=True)

    def remove(self):
        subprocess.run(["umount", self.at])
        subprocess.run(["losetup", "--detach", self.device])


class Program:
    """What is measured. `commands` returns the commands of a pull into a directory that does not exist."""

    def __init__(self, what, commands):
        self.what, self.commands = what, commands
        self.wall, self.cpu = [], []

    def measure(self, place):
        self.measure_commands(self.commands(place), None)

    def measure_commands(self, commands, daemon):
        subprocess.run(["sync"], check=True)
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        of_daemon = cpu_of_tree(daemon) if daemon else 0
        begin = time.perf_counter()
        for command in commands:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            if done.returncode != 0:
                sys.exit(f"{' '.join(command)} failed")
        self.wall.append(time.perf_counter() - begin)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - own.ru_utime - own.ru_stime
        self.cpu.append(cpu + (cpu_of_tree(daemon) - of_daemon if daemon else 0))

    def report(self):
        wall = f"best {min(self.wall):5.2f} s, median {statistics.median(self.wall):5.2f} s"
        print(f"{self.what:52} {wall}; CPU median {statistics.median(self.cpu):5.2f} s")


class PullOfDocker(Program):
    """Each pull has a daemon of its own, since nothing is removed between the rounds."""

    def __init__(self, image):
        super().__init__("docker pull (unpacked)", None)
        self.image = image

    def measure(self, place):
        docker = DockerDaemon(place)
        try:
            self.measure_commands([[*docker.command, "pull", "-q", self.image]], docker.process.pid)
        finally:
            docker.stop()


def programs(image, wanted):
    """The programs that are to be measured."""
    found = []
    for variable, name in [("TEPUI", "tepui"), ("TEPUI_B", "tepui-b")]:
        default = os.path.join(HERE, "target/release/tepui") if name == "tepui" else ""
        program = os.environ.get(variable, default)
        if program and (not wanted or name in wanted):
            pull = [program, "image", "pull", "--plain-http"]
            found.append(Program(f"{name} image pull (unpacked)", lambda at, pull=pull: [[*pull, f"--docker_store_dir={at}", image]]))
    if not wanted or "docker" in wanted:
        if install("dockerd=docker.io"):
            found.append(PullOfDocker(image))
        else:
            print("docker is not measured: docker.io cannot be installed")
    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{image}"]
    commands = {
        "skopeo-oci": ("skopeo copy to oci: (not unpacked)", lambda at: [[*copy, f"oci:{at}:t"]]),
        "skopeo-dir": ("skopeo copy to dir: (not unpacked)", lambda at: [[*copy, f"dir:{at}"]]),
        "skopeo-umoci": (
            "skopeo copy to oci:, umoci unpack (unpacked)",
            lambda at: [[*copy, f"oci:{at}:t"], ["umoci", "unpack", "--image", f"{at}:t", f"{at}-bundle"]],
        ),
    }
    for name, (what, steps) in commands.items():
        if not wanted or name in wanted:
            if install("skopeo") and (name != "skopeo-umoci" or install("umoci")):
                found.append(Program(what, steps))
            else:
                print(f"{name} is not measured: it cannot be installed")
    return found


def main():
    if os.geteuid() != 0:
        sys.exit("measure-pull needs root")
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--keep")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    if not install("mkfs.ext4=e2fsprogs", "losetup=mount"):
        sys.exit("measure-pull needs mkfs.ext4 and losetup")
    work = tempfile.mkdtemp(prefix="tepui-measure-")
    registry = disk = None
    try:
        place = options.keep or os.path.join(work, "registry")
        description = os.path.join(place, "description")
        registry = Registry(place)
        if not os.path.exists(description):
            text = registry.make_image(options.layers)
            with open(description, "w") as file:
                file.write(text)
        print(open(description).read())
        disk = FileSystem(work)
        chosen = programs(f"{registry.at}/app:t", options.names)
        for number in range(options.rounds):
            for program in chosen:
                program.measure(os.path.join(disk.at, f"{chosen.index(program)}-{number}"))
        for program in chosen:
            program.report()
    finally:
        if registry:
            registry.stop()
        if disk:
            disk.remove()
        shutil.rmtree(work, ignore_errors=True)


main()
