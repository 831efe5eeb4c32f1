#!/usr/bin/env python3
"""Builds the Dockerfile without Docker, runs the result as Docker would, and executes programs in it.

Needs root, Debian, `debootstrap` and a Rust toolchain from rustup. One thing differs from a real build: the base image
`rust:*` is a fresh Debian with a C compiler, into which this machine's toolchain is mounted. Everything else is read
from the Dockerfile, .dockerignore and compose.yaml. Intermediate results stay in target/docker-check for the next run.
"""

import http.client
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
WORK = PROJECT / "target" / "docker-check"
CARGO_HOME = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
PATH = "/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOKEN = "docker-check-token"


def main():
    stage = build(instructions((PROJECT / "Dockerfile").read_text()))
    with Container(stage, compose_limits()) as container:
        container.wait_until_healthy()
        check_answers(container)
        check_memory(container)
    print("docker-check: all good")


def instructions(text):
    """Returns the Dockerfile as pairs (instruction, rest of the line)."""
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ").splitlines()
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


class Stage:
    """A stage of the Dockerfile: its settings, and the directory with its files."""

    def __init__(self, name, base):
        self.base, self.root = base, WORK / name
        self.env, self.workdir, self.user = {"PATH": PATH}, "/", "0:0"
        self.entrypoint = self.command = self.health = ()

    @property
    def argv(self):
        return [*self.entrypoint, *self.command]


def build(steps):
    """Runs each step. Returns the last stage."""
    stages, stage = {}, None
    for word, rest in steps:
        say(word, rest)
        match word:
            case "FROM":
                base, _, name = rest.partition(" AS ")
                stage = stages[name or "final"] = Stage(name or "final", base)
                make_root(stage)
            case "ENV":
                stage.env |= dict(item.split("=", 1) for item in shlex.split(rest))
            case "WORKDIR":
                stage.workdir = rest
                inside(stage, rest).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = rest
            case "COPY":
                copy(stage, stages, shlex.split(rest))
            case "RUN":
                run(stage, rest)
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
            case "CMD":
                stage.command = json.loads(rest)
            case "HEALTHCHECK":
                stage.health = json.loads(rest.partition("CMD ")[2])
            case "EXPOSE":
                stage.port = int(rest)
            case _:
                sys.exit(f"docker-check: unknown instruction {word} in the Dockerfile")
    return stage


def make_root(stage):
    """Makes the stage's base image."""
    shutil.rmtree(stage.root, ignore_errors=True)
    stage.root.mkdir(parents=True)
    if stage.base == "scratch":
        return
    if not (found := re.fullmatch(r"rust:[0-9.]+-slim-(\w+)", stage.base)):
        sys.exit(f"docker-check: unknown base image {stage.base}")
    debian = WORK / f"debian-{found[1]}"
    if not debian.exists():
        half = debian.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        packages = "--include=ca-certificates,gcc,libc6-dev"
        subprocess.run(["debootstrap", "--variant=minbase", packages, found[1], half, mirror()], check=True)
        half.rename(debian)
    subprocess.run(["cp", "-a", f"{debian}/.", stage.root], check=True)


def mirror():
    """Returns the Debian mirror that this machine uses."""
    return output_of("apt-get", "indextargets", "--format", "$(SITE)", "Origin: Debian").splitlines()[0]


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=PROJECT).stdout.strip()


def copy(stage, stages, words):
    options = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
    source, target = (word for word in words if not word.startswith("--"))
    target = inside(stage, os.path.join(stage.workdir, target))
    target.mkdir(parents=True, exist_ok=True)
    if "from" in options:
        origin = inside(stages[options["from"]], source)
        subprocess.run(["cp", "-a", f"{origin}/.", target], check=True)
    else:
        # Copy exactly what .dockerignore lets through.
        lines = (PROJECT / ".dockerignore").read_text().splitlines()
        for name in (line.removeprefix("!") for line in lines if line.startswith("!")):
            subprocess.run(["cp", "-a", "--parents", name, target], check=True, cwd=PROJECT)
    if "chown" in options:
        subprocess.run(["chown", "-R", options["chown"], target], check=True)


def run(stage, rest):
    """Executes a RUN step in its own mount namespace. Cache mounts persist from one check to the next."""
    command = re.sub(r"--mount=\S+\s+", "", rest)
    toolchain = output_of("rustc", "--print", "sysroot")
    mounts = {"/usr/local/toolchain": toolchain, "/proc": None, "/dev": "/dev"}
    mounts |= cache_mounts(rest)
    env = stage.env | {"PATH": f"/usr/local/toolchain/bin:{PATH}", "CARGO_HOME": str(CARGO_HOME)}
    env |= {name: os.environ[name] for name in ("CARGO_BUILD_JOBS",) if name in os.environ}
    script = [mount_line(stage, target, source) for target, source in mounts.items()]
    chroot = ["chroot", stage.root, "/bin/sh", "-ec", f"cd {shlex.quote(stage.workdir)}; {command}"]
    script.append("exec " + shlex.join(map(str, chroot)))
    subprocess.run(["unshare", "--mount", "sh", "-ec", "\n".join(script)], check=True, env=env)


def cache_mounts(rest):
    """Returns the directory of this machine for each cache mount of a RUN step."""
    targets = re.findall(r"--mount=type=cache,target=(\S+)", rest)
    kept = {target: WORK / target.strip("/").replace("/", "-") for target in targets}
    if kept.pop("/usr/local/cargo/registry", None):
        # Cargo's caches contain absolute paths, so this one keeps its path.
        kept[f"{CARGO_HOME}/registry"] = CARGO_HOME / "registry"
    for path in kept.values():
        path.mkdir(parents=True, exist_ok=True)
    return kept


def mount_line(stage, target, source):
    at = inside(stage, target)
    at.mkdir(parents=True, exist_ok=True)
    if source is None:
        return f"mount -t proc proc {at}"
    return f"mount --bind {source} {at}"


def inside(stage, path):
    return stage.root / path.lstrip("/")


def compose_limits():
    """Returns the limits of compose.yaml: bytes of memory, CPUs, processes."""
    text = (PROJECT / "compose.yaml").read_text()
    value = lambda name: re.search(rf"^\s*{name}: ([0-9.]+)", text, re.M)[1]
    return int(value("mem_limit")) << 20, float(value("cpus")), int(value("pids_limit"))


class Container:
    """The final stage, run as compose.yaml does: with its user, a read-only root, no privileges, and limits."""

    def __init__(self, stage, limits):
        self.stage = stage
        self.memory = self.limit(limits)
        env = {"EXECUTOR_API_TOKEN": TOKEN, "ENVIRONMENT": "production"} | stage.env
        self.process = subprocess.Popen(self.inside(stage.argv), env=env)

    def limit(self, limits):
        """Makes cgroups (version 1) for the container's process and its children. Returns that for memory."""
        memory, cpus, pids = limits
        wanted = {
            "memory": {"memory.limit_in_bytes": memory},
            "cpu": {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": int(cpus * 100_000)},
            "pids": {"pids.max": pids},
        }
        self.cgroups = []
        for controller, files in wanted.items():
            group = pathlib.Path("/sys/fs/cgroup", controller, f"docker-check-{os.getpid()}")
            group.mkdir()
            self.cgroups.append(group)
            for name, value in files.items():
                (group / name).write_text(str(value))
        return self.cgroups[0]

    def inside(self, argv):
        """Returns a command that runs `argv` as the container's user, in its root, with its own /proc and no privileges."""
        user, _, group = self.stage.user.partition(":")
        join = "".join(f"echo $$ > {cgroup}/cgroup.procs\n" for cgroup in self.cgroups)
        root = self.stage.root
        for needed in ("proc", "dev"):
            (root / needed).mkdir(exist_ok=True)
        enter = ["unshare", f"--root={root}", f"--setuid={user}", f"--setgid={group or user}", "--wd=/", *argv]
        script = f"""{join}mount --bind {root} {root}
mount -o remount,bind,ro {root}
mount -t proc proc {root}/proc
mount --bind /dev {root}/dev
exec {shlex.join(map(str, enter))}"""
        return ["setpriv", "--no-new-privs", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", script]

    def wait_until_healthy(self):
        started = time.monotonic()
        ask = self.inside(self.stage.health)
        while subprocess.run(ask, env=self.stage.env, stderr=subprocess.DEVNULL).returncode:
            if self.process.poll() is not None or time.monotonic() - started > 120:
                sys.exit("docker-check: the container did not become healthy")
            time.sleep(0.2)
        say("healthy", f"after {time.monotonic() - started:.1f} s")

    def execute(self, code):
        connection = http.client.HTTPConnection("127.0.0.1", self.stage.port, timeout=120)
        headers = {"Content-Type": "application/json", "X-Executor-Token": TOKEN}
        connection.request("POST", "/execute", json.dumps({"code": code}), headers)
        return json.load(connection.getresponse())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Stops the service like `docker stop`. `self.process` only waits for the service, so the signal goes to that."""
        if self.process.poll() is None:
            os.kill(int(executor_of(self)), signal.SIGTERM)
        status = self.process.wait(timeout=60)
        for cgroup in self.cgroups:
            cgroup.rmdir()
        expect(status == 0, f"exit status {status}")


def check_answers(container):
    answer = container.execute("import statistics\nstatistics.mean([1, 2, 6])")
    expect(answer["return_value"] == 3, answer)
    fields = status_of(container)
    expect(fields["Uid"].split()[0] == container.stage.user.split(":")[0], fields["Uid"])
    expect(int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1", fields)


def status_of(container):
    """Returns the fields of /proc/PID/status of the service's process."""
    lines = pathlib.Path(f"/proc/{executor_of(container)}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def executor_of(container):
    """Returns the id of the service's process, as seen from outside of the container."""
    pids = (container.memory / "cgroup.procs").read_text().split()
    return next(pid for pid in pids if "ai-code-executor" in os.readlink(f"/proc/{pid}/exe"))


def check_memory(container):
    """Runs two executions at once, each up to the memory limit, three times. The container must survive them."""
    hog = "blocks = []\ntry:\n    while True: blocks.append(bytearray(1 << 20))\nexcept MemoryError: pass\n" \
          "n = len(blocks)\nimport time\ntime.sleep(2)\nn"
    for _ in range(3):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(container.execute(hog))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(len(answers) == 2 and all(answer["memory_used_mb"] > 120 for answer in answers), answers)
    read = lambda name: int((container.memory / name).read_text())
    say("memory", f"{read('memory.max_usage_in_bytes') >> 20} of {read('memory.limit_in_bytes') >> 20} MiB at most,"
        f" page cache included; limit reached {read('memory.failcnt')} times")
    fields = status_of(container)
    say("resident", f"{fields['RssAnon']} anonymous, {fields['RssFile']} of files, {fields['RssShmem']} shared")
    expect(container.execute("6 * 7")["return_value"] == 42, "no right answer after executions at the memory limit")


def expect(true, what):
    if not true:
        sys.exit(f"docker-check: unexpected: {what}")


def say(word, rest):
    print(f"== {word} {rest}", flush=True)


if __name__ == "__main__":
    main()
