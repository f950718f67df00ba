#!/usr/bin/env python3
"""Builds the test programs of containers and puts them, and the files that they read, into a folder for the machine.

  programs.py TOP STAGE FILTER [NAME…]   TOP is the workspace; of the programs those whose names contain a NAME

STAGE/programs has a line for each program: its name, its path in the machine, the folder of its crate, the time limit in
seconds, and the filter of its tests. The workspace has the same path in the machine, below STAGE/top here.
"""

import json
import os
import shutil
import subprocess
import sys

# The programs, and their time limits in seconds. The machine is emulated, and ten to twenty times slower than this one.
PROGRAMS = {
    "containerizer/linux": 600,
    "containerizer/restart": 900,
    "containerizer/init": 300,
    "containerizer/posix": 300,
    "agent-server/recovery": 600,
    "agent-server/restart": 300,
    "agent-server/tasks": 600,
    "agent-server/volumes": 600,
}
# The last one is a test of the command line, with which its program is built.
TESTS = sorted({name.split("/")[1] for name in PROGRAMS}) + ["local"]


def built(top):
    """Builds the programs and yields the name, the executable and the folder of the crate of each."""
    # The whole workspace, so that dependencies have the features with which `make test` builds them.
    tests = [part for test in TESTS for part in ("--test", test)]
    command = ["cargo", "test", "--workspace", "--locked", "--no-run", "--message-format=json-render-diagnostics"]
    build = subprocess.run([*command, *tests], cwd=top, stdout=subprocess.PIPE, check=False)
    if build.returncode:
        sys.exit(build.returncode)
    for line in build.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message.get("executable"):
            continue
        folder = os.path.dirname(message["manifest_path"])
        target = message["target"]
        package = message["package_id"].split("#")[0].rstrip("/").rsplit("/", 1)[-1]
        if message["profile"]["test"]:
            yield f"{package}/{target['name']}", message["executable"], folder
        elif target["kind"] == ["bin"] and target["name"] == "tepui":
            yield "tepui", message["executable"], folder


def copy(source, top, stage):
    """Copies a program without its debugging information to its path in the machine."""
    target = os.path.join(stage, "top", os.path.relpath(source, top))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if subprocess.run(["strip", "--strip-debug", "-o", target, source], check=False).returncode:
        shutil.copy2(source, target)
    os.chmod(target, 0o755)


def main():
    top, stage, tests, *names = sys.argv[1:]
    lines = []
    for name, executable, folder in built(top):
        limit = PROGRAMS.get(name)
        if name == "tepui":
            if not names or "delegation" in names:
                copy(executable, top, stage)
        elif limit is not None and (not names or any(given in name for given in names)):
            copy(executable, top, stage)
            lines.append("\t".join([name, executable, folder, str(limit), tests]))
    for package in {line.split("\t")[2] for line in lines}:
        shutil.copytree(package, os.path.join(stage, "top", os.path.relpath(package, top)), dirs_exist_ok=True)
    if not lines and "delegation" not in names:
        sys.exit(f"no program has a name with one of: {' '.join(names)}")
    with open(os.path.join(stage, "programs"), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in sorted(lines)))
    with open(os.path.join(stage, "workspace"), "w", encoding="utf-8") as file:
        file.write(top + "\n")


main()
