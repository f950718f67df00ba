#!/usr/bin/env python3
"""Builds all tests of the workspace and runs the test programs, as many at a time as the machine has processors.

`cargo test` runs one program after the other, which leaves processors idle, because many tests wait. It also waits for a
test for ever. Here a program that does not end within TIME_LIMIT is killed with everything that it has started, and fails.

  run-tests.py [ARGUMENTS OF cargo test]     for example: run-tests.py -p agent

Prints the output of each program when it has ended, and at the end the programs that took longest. Exits with 1 if one
has failed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

# Several times the time of the slowest program.
TIME_LIMIT = 900

# Programs that take more than 20 s in a debug build. They begin first, so that none of them runs alone at the end.
SLOW = ["zookeeper", "reference", "invariants", "simulator", "seeds", "mutants", "chaos", "run", "cost_of_input"]


# The process groups of the programs that run.
running = set()


def kill(group):
    """Kills a program with everything that it has started and that has not made a process group of its own."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end(number, _frame):
    """Ends this program by a signal, and the programs that it has started."""
    for group in list(running):
        kill(group)
    os._exit(128 + number)


def build(arguments):
    """Builds the tests and returns (name, executable, folder of the crate) of each program."""
    command = ["cargo", "test", "--no-run", "--message-format=json-render-diagnostics", *arguments]
    built = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if built.returncode:
        sys.exit(built.returncode)
    programs = []
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable") and message["profile"]["test"]:
            folder = os.path.dirname(message["manifest_path"])
            source = os.path.relpath(message["target"]["src_path"], folder)
            programs.append((f"{os.path.basename(folder)} {source}", message["executable"], folder))
    return programs


def rank(program):
    name = os.path.basename(program[1]).rsplit("-", 1)[0]
    return SLOW.index(name) if name in SLOW else len(SLOW)


def run(program):
    """Runs one program and returns (name, seconds, error, output)."""
    name, executable, folder = program
    environment = dict(os.environ, CARGO_MANIFEST_DIR=folder)
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [executable], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True)
        running.add(process.pid)
        try:
            status = process.wait(TIME_LIMIT)
            error = f"ended with {status}" if status else None
        except subprocess.TimeoutExpired:
            kill(process.pid)
            process.wait()
            error = f"did not end within {TIME_LIMIT} s and was killed"
        running.discard(process.pid)
        output.seek(0)
        return name, time.monotonic() - begun, error, output.read()


def main():
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    programs = sorted(build(sys.argv[1:]), key=rank)
    results = []
    begun = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as lanes:
        futures = [lanes.submit(run, program) for program in programs]
        for number, future in enumerate(as_completed(futures), 1):
            name, seconds, error, output = future.result()
            results.append((name, seconds, error))
            print(f"\n[{number}/{len(programs)}] {name}: {seconds:.1f} s", flush=True)
            sys.stdout.buffer.write(output)
            sys.stdout.flush()
            if error:
                print(f"{name} {error}", flush=True)
    slowest = sorted(results, key=lambda result: -result[1])[:10]
    print(f"\n{len(programs)} test programs in {time.monotonic() - begun:.0f} s; the slowest:")
    for name, seconds, _ in slowest:
        print(f"  {seconds:6.1f} s  {name}")
    failed = [f"  {name} {error}" for name, _, error in results if error]
    if failed:
        print("failed:\n" + "\n".join(failed))
        sys.exit(1)


main()
