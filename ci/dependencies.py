#!/usr/bin/env python3
"""What a program takes on with this crate and its default features: holds the rules, or says which is broken.

Projects could not take other implementations because of their pins and pre-releases.
"""
import json
import re
import subprocess
import sys

MOST_CRATES = 80


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def normal_tree(metadata):
    """The packages that are compiled into a program: normal dependencies, with their own normal dependencies."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    seen, waiting = {root}, [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]) and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return root, [package for package in metadata["packages"] if package["id"] in seen]


def numbers(version):
    return tuple(int(number) for number in (version.split(".") + ["0", "0"])[:3])


def broken_rules(root, packages):
    oldest_rust = next(package["rust_version"] for package in packages if package["id"] == root)
    repositories = {package["name"]: package["repository"] for package in packages}
    if len(packages) - 1 > MOST_CRATES:
        yield "%d crates, at most %d" % (len(packages) - 1, MOST_CRATES)
    for package in packages:
        who = "%s %s" % (package["name"], package["version"])
        if "-" in package["version"].partition("+")[0] and package["id"] != root:
            yield "%s is a pre-release" % who
        rust = package["rust_version"]
        if rust and numbers(rust) > numbers(oldest_rust):
            yield "%s needs Rust %s, newer than %s" % (who, rust, oldest_rust)
        for dependency in package["dependencies"]:
            # A crate may pin its own other half (a derive macro), which no one else has a version of.
            one_family = package["id"] != root and package["repository"] == repositories.get(dependency["name"])
            if re.match(r"\s*=", dependency["req"]) and dependency["kind"] is None \
                    and dependency["name"] in repositories and not one_family:
                yield "%s pins %s to %s" % (who, dependency["name"], dependency["req"])
    manifest = next(package for package in packages if package["id"] == root)
    for dependency in manifest["dependencies"]:
        if re.match(r"\s*=", dependency["req"]) or "-" in dependency["req"]:
            yield "Cargo.toml asks for %s %s" % (dependency["name"], dependency["req"])


def main():
    host = re.search(r"host: (\S+)", subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout)
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--filter-platform", host.group(1)))
    root, packages = normal_tree(metadata)
    broken = list(dict.fromkeys(broken_rules(root, packages)))
    print("%d crates in the default tree" % (len(packages) - 1))
    print("\n".join(broken) or "no pre-release, no pin, none that needs a newer Rust")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
