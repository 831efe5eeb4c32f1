"""Runs the benches, native Python and other sandboxes, and collects their figures. All times are in seconds."""

import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

BENCHES = Path(__file__).resolve().parent
ROOT = BENCHES.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
PROGRAMS = sorted((BENCHES / "programs").glob("*.py"))
EXECUTOR = TARGET / "release" / "ai-code-executor"
STARTS = 30
QUICK = ["--warm-up-time", "1", "--measurement-time", "3"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def output(*command, **options):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def executables():
    """Builds the benches. Returns their executables by name."""
    say("building")
    lines = output("cargo", "bench", "--locked", "--no-run", "--message-format=json", "--benches").splitlines()
    artifacts = [message for line in lines if (message := json.loads(line))["reason"] == "compiler-artifact"]
    return {a["target"]["name"]: a["executable"] for a in artifacts if a["target"]["kind"] == ["bench"]}


def criterion(executable, pattern, *options):
    """Runs the benches of an executable that match a pattern. Returns their medians by name."""
    say(f"{Path(executable).name.rsplit('-', 1)[0]} {pattern}")
    before = time.time()
    environment = {**os.environ, "CRITERION_HOME": str(TARGET / "criterion")}
    output(executable, "--bench", "--noplot", *options, pattern, env=environment, stderr=subprocess.DEVNULL)
    medians = {}
    for file in (TARGET / "criterion").glob("**/new/estimates.json"):
        if file.stat().st_mtime >= before:
            name = json.loads((file.parent / "benchmark.json").read_text())["full_id"]
            medians[name] = json.loads(file.read_text())["median"]["point_estimate"] / 1e9
    return medians


def pythons():
    """Returns the native Pythons to compare with. The last one is the reference for ratios."""
    return list(filter(None, ["python3", os.environ.get("PYTHON313")]))


def start_of(python):
    """Measures a process that starts, runs `1 + 1` and exits."""
    times = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run([python, "-I", "-c", "1+1"], check=True)
        times.append(time.perf_counter() - started)
    return {"version": native_version(python), "seconds": statistics.median(times)}


def native(python, file):
    """Measures a program in a native Python."""
    measured = json.loads(output(python, "-I", BENCHES / "native.py", file))
    return {"version": native_version(python), **measured}


def native_version(python):
    return output(python, "-I", "-c", "import platform; print(platform.python_version())").strip()


def starts(executables):
    """Measures a fresh interpreter for `1 + 1` by stages, and native Python's start right before it."""
    native = [start_of(python) for python in pythons()]
    return {"sandbox": criterion(executables["instantiation"], "^warm/", *QUICK), "native": native}


def program(executables, file):
    """Measures a program natively and then at once in the sandbox, because the load of a machine varies."""
    name = file.stem
    natively = [native(python, file) for python in pythons()]
    return {"name": name, "sandbox": criterion(executables["cpu"], f"^cpu/{name}$")[f"cpu/{name}"], "native": natively}


def images():
    """Returns an environment with the cache of images that the benches have made."""
    return {**os.environ, "CACHE_DIR": str(TARGET / "tmp" / "bench-images")}


def value_in_sandbox(file):
    return json.loads(output(EXECUTOR, "run", file, "--json", env=images()).splitlines()[-1])


def peers():
    python = os.environ.get("PEERS_PYTHON")
    if not python:
        return None
    say("peers")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**images(), "SERVICE_PORT": str(port), "LOG_LEVEL": "WARNING"}
    with subprocess.Popen([EXECUTOR], env=environment) as service:
        try:
            return json.loads(output(python, BENCHES / "peers.py", str(port), *PROGRAMS))
        finally:
            service.terminate()


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    wasmtime = (ROOT / "Cargo.lock").read_text().split('name = "wasmtime"\nversion = "')[1].split('"')[0]
    cpython = (ROOT / "python-wasm" / "python.wasm.lock").read_text().split("\nsource    python3.13")[1].split()[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": date.today().isoformat(),
        "code": output("git", "describe", "--always", "--dirty", "--tags").strip(),
        "processor": f"{cpu[0] if cpu else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "load": f"{os.getloadavg()[1]:.1f} (mean of five minutes)",
        "system": f"{platform.system()} {platform.release()}",
        "rust": output("rustc", "--version").split()[1],
        "wasmtime": wasmtime,
        "cpython": cpython,
    }


def everything():
    facts = machine()
    built = executables()
    figures = {"machine": facts, "starts": starts(built), "programs": [program(built, file) for file in PROGRAMS]}
    for measured in figures["programs"]:
        found = value_in_sandbox(BENCHES / "programs" / f"{measured['name']}.py")
        for each in measured["native"]:
            assert each["value"] == found, f"{measured['name']}: {found} in the sandbox, {each['value']} natively"
    figures["cached"] = criterion(built["instantiation"], "^cached/", *QUICK)
    figures["execute"] = criterion(built["execute"], "^execute", *QUICK)
    figures["concurrency"] = criterion(built["concurrency"], ".", *QUICK)
    figures["tools"] = criterion(built["tools"], ".", *QUICK)
    say("service")
    figures["service"] = json.loads(output(built["service"]))
    figures["peers"] = peers()
    return figures
