#!/usr/bin/env python3
"""Prints before a build of target/release/tepui what it is going to do and how long that takes about; prints nothing if
everything is built already. Nothing is fetched or compiled.
  build-notice.py [TARGET-DIRECTORY]
"""
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The build of everything takes this many minutes of one core: 5 minutes on 2 cores were measured.
CORE_MINUTES = 10
# Crates that Cargo.lock lists for other systems.
ELSEWHERE = re.compile(r"^(windows|winapi|wasi|wasm|wit-|js-sys|web-sys|android|core-foundation|hermit|redox|r-efi|security-framework)")


def packages():
    """Returns the entries of Cargo.lock: the names of the dependencies of each package, and whether it is our own."""
    found = {}
    for block in (ROOT / "Cargo.lock").read_text().split("[[package]]")[1:]:
        name = re.search(r'^name = "(.*)"', block, re.M).group(1)
        listed = re.search(r"^dependencies = \[(.*?)\]", block, re.M | re.S)
        needed = re.findall(r'"([^" ]+)[^"]*"', listed.group(1)) if listed else []
        known = found.setdefault(name, {"needs": set(), "versions": 0, "own": "\nsource = " not in block})
        known["needs"].update(needed)
        known["versions"] += 1
    return found


def own_dependencies():
    """Returns what our own packages need for a build; Cargo.lock also lists what their tests need."""
    needs = {}
    for manifest in [*ROOT.glob("*/Cargo.toml"), *ROOT.glob("*/*/Cargo.toml")]:
        text = manifest.read_text()
        name = re.search(r'^name = "(.*)"', text, re.M)
        sections = re.findall(r"^\[(?:target\..*\.)?(?:build-)?dependencies\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S)
        if name:
            needs[name.group(1)] = {key for section in sections for key in re.findall(r"^([\w-]+)", section, re.M)}
    return needs


def count_crates():
    found, own = packages(), own_dependencies()
    seen, waiting = set(), ["tepui"]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in found or ELSEWHERE.match(name):
            continue
        seen.add(name)
        needs = found[name]["needs"]
        waiting += needs & own.get(name, set()) if found[name]["own"] else needs
    return sum(found[name]["versions"] for name in seen)


def is_current(binary, listing):
    """Returns whether the binary is newer than the files that it was made of, which cargo lists beside it."""
    try:
        made = binary.stat().st_mtime
        sources = re.split(r"(?<!\\) ", listing.read_text().split(": ", 1)[1].strip())
        manifests = [ROOT / "Cargo.lock", *ROOT.glob("Cargo.toml"), *ROOT.glob("*/*/Cargo.toml")]
        paths = [Path(source.replace("\\ ", " ")) for source in sources] + manifests
        return all(path.stat().st_mtime <= made for path in paths)
    except (OSError, IndexError):
        return False


def main():
    release = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target") / "release"
    if is_current(release / "tepui", release / "tepui.d"):
        return
    cores, crates = os.cpu_count() or 1, count_crates()
    on = f"on {cores} core" + ("s" if cores > 1 else "")
    if len(list(release.glob("deps/*.rlib"))) > crates / 2:
        print(f"building what has changed of target/release/tepui: about a minute {on}", flush=True)
        return
    minutes = max(2, round(CORE_MINUTES / cores))
    print(
        f"building target/release/tepui, which consists of some {round(crates, -1)} crates: about {minutes} minutes {on}, once",
        flush=True,
    )


main()
