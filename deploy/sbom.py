#!/usr/bin/env python3
"""Writes a bill of materials of the service in CycloneDX 1.6 format: `make sbom`.

Crates come from Cargo.lock and cargo's metadata, and the interpreter's inputs from python-wasm/python.wasm.lock, each
with the SHA-256 to which it is pinned. Dependencies of tests are left out. The script fails on anything that it does not
know, because an incomplete list is worse than none.
"""

import json
import pathlib
import subprocess
import sys
import tomllib
import urllib.parse

PROJECT = pathlib.Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"


# The names in vulnerability databases of inputs that are in no package registry.
CPE = {
    "bzip2": "bzip:bzip2", "numpy": "numpy:numpy", "python3.13": "python:python", "sqlite3": "sqlite:sqlite", "zlib": "zlib:zlib",
}  # fmt: skip

# The packages of the compiler from which code is linked in.
LINKED_IN = {"libc++-22-dev-wasm32", "libc++abi-22-dev-wasm32", "libclang-rt-22-dev-wasm32"}


def main():
    crates = Crates(cargo_metadata(), tomllib.loads((PROJECT / "Cargo.lock").read_text()))
    inputs, interpreter = interpreter_parts((PROJECT / "python-wasm/python.wasm.lock").read_text())
    edges = crates.edges()
    edges[0]["dependsOn"].append(interpreter["bom-ref"])
    edges.append({"ref": interpreter["bom-ref"], "dependsOn": [part["bom-ref"] for part in inputs]})
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": crates.component(crates.root) | {"type": "application"}},
        "components": [crates.component(each) for each in crates.reached[1:]] + inputs + [interpreter],
        "dependencies": edges,
    }
    json.dump(bill, sys.stdout, indent=1)


def cargo_metadata():
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={TARGET}"]
    return json.loads(subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE).stdout)


class Crates:
    """The packages that the root needs to build and to run. The root is the first."""

    def __init__(self, metadata, lock):
        self.packages = {package["id"]: package for package in metadata["packages"]}
        self.nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        self.checksums = {(each["name"], each["version"]): each.get("checksum") for each in lock["package"]}
        self.root = metadata["resolve"]["root"]
        self.own = metadata["workspace_members"]
        self.reached = [self.root]
        for package in self.reached:  # the loop extends the list
            self.reached += [each for each in self.needs(package) if each not in self.reached]

    def needs(self, identity):
        """Yields the dependencies of a package, except those of its tests alone."""
        for edge in self.nodes[identity]["deps"]:
            if any(kind["kind"] != "dev" for kind in edge["dep_kinds"]):
                yield edge["pkg"]

    def component(self, identity):
        package = self.packages[identity]
        name, version = package["name"], package["version"]
        checksum = self.checksums[name, version]
        if checksum is None and identity not in self.own:
            sys.exit(f"sbom.py: {name} {version} has no checksum in Cargo.lock; it must come from a registry")
        # Old crates write "/" instead of the SPDX operator "OR".
        licence = " OR ".join(part.strip() for part in package["license"].split("/"))
        return component(name, version, self.purl(identity), checksum) | {"licenses": [{"expression": licence}]}

    def edges(self):
        return [
            {"ref": self.purl(package), "dependsOn": sorted({self.purl(each) for each in self.needs(package)})}
            for package in self.reached
        ]

    def purl(self, identity):
        return purl("cargo", self.packages[identity]["name"], self.packages[identity]["version"])


def interpreter_parts(lock):
    """Returns the components of python.wasm.lock: a list of the inputs, and the interpreter."""
    lines = [line.split() for line in lock.splitlines() if line and not line.startswith("#")]
    parts = {fields[1]: interpreter_part(*fields[:4]) for fields in lines}
    del parts["python.wasm.zst"]  # the compressed form of python.wasm
    interpreter = parts.pop("python.wasm")
    return list(parts.values()), interpreter


def interpreter_part(kind, name, version, sha256):
    plain = version.rpartition("really")[2]  # Debian's mark for a return to an older release
    cpe = {"cpe": f"cpe:2.3:a:{CPE[name]}:{plain}:*:*:*:*:*:*:*"} if name in CPE else {}
    match kind:
        case "source":
            return component(name, version, purl("generic", name, version), sha256) | cpe
        case "pypi" | "sdist":
            return component(name, version, purl("pypi", name, version), sha256) | cpe
        case "compiler":
            scope = {"scope": "required" if name in LINKED_IN else "excluded"}
            return component(name, version, purl("deb/debian", name, version) + "?arch=amd64", sha256) | scope
        case "result":
            return component(name, None, purl("generic", name), sha256) | {"type": "file"}
    sys.exit(f"sbom.py: python.wasm.lock has a line of an unknown kind: {kind} {name}")


def component(name, version, reference, sha256):
    known = {"version": version} if version else {}
    hashes = {"hashes": [{"alg": "SHA-256", "content": sha256}]} if sha256 else {}
    return {"type": "library", "bom-ref": reference, "name": name, "purl": reference} | known | hashes


def purl(kind, name, version=None):
    return f"pkg:{kind}/{urllib.parse.quote(name)}" + (f"@{urllib.parse.quote(version)}" if version else "")


if __name__ == "__main__":
    main()
