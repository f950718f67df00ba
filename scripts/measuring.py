"""What measure-containers.py and measure-pull.py share: waiting, and a Docker daemon of their own."""
import os
import subprocess
import sys
import time


def wait(what, condition, seconds=60):
    """Waits until a condition holds, or ends the program."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting: {what}")
        time.sleep(0.02)


class DockerDaemon:
    """A daemon with directories and a socket of its own, without network. `command` is the client that talks to it."""

    def __init__(self, place):
        os.makedirs(place)
        flags = [f"--data-root={place}/data", f"--exec-root={place}/exec", "-H", f"unix://{place}/socket", f"--pidfile={place}/pid"]
        flags += ["--bridge=none", "--iptables=false", "--ip-forward=false"]
        log = open(os.path.join(place, "log"), "w")
        self.process = subprocess.Popen(["dockerd", *flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.command = ["docker", "-H", f"unix://{place}/socket"]
        try:
            wait("dockerd serves", lambda: subprocess.run([*self.command, "version"], capture_output=True).returncode == 0)
        except SystemExit:
            self.stop()
            raise

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
