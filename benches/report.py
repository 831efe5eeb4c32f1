#!/usr/bin/env python3
"""Measures, and writes REPORT.md and latency.svg: `make bench-report`. README.md lists the requirements."""

from statistics import geometric_mean

import measure
import plot
from plot import duration


def table(head, rows):
    line = lambda cells: f"| {' | '.join(map(str, cells))} |"
    ruler = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(map(line, [head, ruler, *rows]))


def mebibytes(size):
    return f"{size / 2**20:.1f} MiB"


def share(seconds, of):
    """Formats a ratio: `1/20`, or `3.0`."""
    times = seconds / of
    return f"1/{1 / times:,.0f}" if times < 2 / 3 else f"{times:,.1f}"


def machine(figures):
    facts = figures["machine"]
    natives = ", ".join(each["version"] for each in figures["starts"]["native"])
    rows = [
        ("code", f"{facts['code']}, {facts['date']}"),
        ("machine", facts["processor"]),
        ("system", facts["system"]),
        ("load before it", facts["load"]),
        ("in the sandbox", f"CPython {facts['cpython']}, wasmtime {facts['wasmtime']}, rustc {facts['rust']}"),
        ("native Python", natives),
    ]
    return table(["", ""], rows)


def interpreters(figures):
    warm, cached, execute = figures["starts"]["sandbox"], figures["cached"], figures["execute"]
    native, service = figures["starts"]["native"][-1], figures["service"]
    times = [
        ("fresh interpreter runs `1 + 1`, `Sandbox::run`", warm["warm/sandbox_run"]),
        ("— instantiate", warm["warm/stage_instantiate"]),
        ("— run", warm["warm/stage_run"]),
        ("— tear down", warm["warm/stage_teardown"]),
        ("the same over HTTP, one connection that is kept", execute["execute_http/smallest"]),
        ("a household program with 288 readings, `Sandbox::run`", execute["execute/household"]),
        ("the same over HTTP", execute["execute_http/household"]),
        ("image mapped from its artifact, in a process that runs", cached["cached/build_with_artifact"]),
        ("command line: start, run one program, exit", cached["cached/process_start_run_exit"]),
        ("service: start to ready, image cached", service["start_s"]),
        ("service: very first start, image made", service["first_start_s"]),
    ]
    rows = [(what, duration(seconds), share(seconds, native["seconds"])) for what, seconds in times]
    of = f"of {native['version']}'s start"
    return table(["what", "median", of], [*rows, ("`python3 -I -c 1+1`", duration(native["seconds"]), "1")])


def throughput(figures):
    times = figures["execute"]
    rows = [(tasks, f"{1 / times[f'execute_at_once/{tasks}']:,.0f}") for tasks in (1, 2, 4, 8)]
    return table(["tasks that call `Sandbox::run`", "executions in a second"], rows)


def load(figures):
    rows = [
        (each["clients"], f"{each['per_second']:,.0f}", duration(each["p50_us"] / 1e6), duration(each["p99_us"] / 1e6))
        for each in figures["service"]["load"]
    ]
    return table(["connections", "requests in a second", "p50", "p99"], rows)


def attacked(figures):
    rows = [
        (each["attack"], *(duration(each[name] / 1e6) for name in ("alone_p99_us", "p99_us")),
         f"{each['p99_us'] / each['alone_p99_us']:.1f}")
        for each in figures["service"]["attacked"]
    ]
    return table(["a program in the other slot", "p99 before", "p99 beside it", "times"], rows)


def while_others_wait(figures):
    """Returns pairs: the number of waiting executions, and the time of a request meanwhile."""
    times = {name.partition("/")[::2]: time for name, time in figures["concurrency"].items()}
    return sorted((int(count), time) for (group, count), time in times.items() if group == "waiting")


def waiting(figures):
    rows = [(f"{count:,}", duration(time)) for count, time in while_others_wait(figures)]
    return table(["executions that wait for a tool", "`1 + 1` over HTTP meanwhile"], rows)


def programs(figures):
    natives = range(len(figures["starts"]["native"]))
    ratios = [[each["sandbox"] / each["native"][n]["seconds"] for each in figures["programs"]] for n in natives]
    head, rows = ["program", "sandbox"], []
    for native in figures["starts"]["native"]:
        head += [f"native {native['version']}", "ratio"]
    for n, each in enumerate(figures["programs"]):
        row = [each["name"], duration(each["sandbox"])]
        for native in natives:
            row += [duration(each["native"][native]["seconds"]), f"{ratios[native][n]:.2f}"]
        rows.append(row)
    means = [cell for native in natives for cell in ("", f"**{geometric_mean(ratios[native]):.2f}**")]
    return table(head, [*rows, ["**geometric mean**", "", *means]])


def tools(figures):
    times = figures["tools"]
    rows = [
        (what, duration(times[f"{group}/sequential"]), duration(times[f"{group}/gathered"]))
        for what, group in [
            ("function of this process", "function"),
            ("signed HTTP request to a service on the loopback interface", "http"),
            ("the same request without the executor", "http_without_executor"),
        ]
    ]
    return table(["tool", "one after the other", "200 gathered"], rows)


def slow_tools(figures):
    times = figures["tools"]
    rows = [
        ("a program that gathers 20 calls of 300 ms", times["slow/20_gathered_of_300_ms"]),
        ("client gone in the middle of a call, until the service sees it", times["slow/until_a_dropped_call_is_gone"]),
    ]
    return table(["slow services", ""], [(what, duration(seconds)) for what, seconds in rows])


def memory(figures):
    service = figures["service"]
    files, waiting = mebibytes(service["idle_file_bytes"]), service["waiting"]
    rows = [
        (f"idle service, resident (of it {files} are mapped files, which the kernel may drop)", service["idle_bytes"]),
        ("the same after the load above", service["after_load_bytes"]),
        (f"one of {waiting} executions that wait, page tables included", service["waiting_bytes_each"]),
    ]
    return table(["memory", ""], [(what, mebibytes(size)) for what, size in rows])


def peers(figures):
    measured = figures["peers"]
    native, *names = measured["names"]
    rows = []
    for name in names:
        both = [times for times in measured["programs"].values() if name in times]
        ratio = geometric_mean([times[name] / times[native] for times in both]) if both else float("nan")
        ours = geometric_mean([times[names[0]] / times[native] for times in both]) if both else float("nan")
        count = f"{len(both)} of {len(measured['programs'])}"
        rows.append((name, duration(measured["start"][name]), count, f"{ratio:.2f}", f"{ours:.2f}"))
    return table(["", "`1 + 1`", "programs that it runs rightly", f"against {native}", "ours on the same"], rows)


def drawing(figures):
    warm, service = figures["starts"]["sandbox"], figures["service"]
    native = figures["starts"]["native"][-1]
    starts = [
        ("warm: fresh interpreter", warm["warm/sandbox_run"]),
        ("warm, over HTTP", figures["execute"]["execute_http/smallest"]),
        (f"native {native['version']}: start", native["seconds"]),
        ("cached: service ready", service["start_s"]),
        ("cold: image made", service["first_start_s"]),
    ]
    load = {name: [(each["clients"], each[f"{name}_us"] / 1e6) for each in service["load"]] for name in ("p50", "p99")}
    meanwhile = {"median": while_others_wait(figures)}
    return plot.document([
        plot.bars("1 + 1, cold, cached and warm", starts),
        plot.lines("1 + 1 over HTTP", "connections", load),
        plot.lines("1 + 1 over HTTP while others wait", "executions that wait for a tool", meanwhile),
    ])


def document(figures):
    others = "" if figures["peers"] is None else f"""
## Others, side by side

From PyPI, in turn with the same Python's own `exec` and with this service. Wall-clock time as seen from Python, each
program in a sandbox of its own. A program counts if its value is right.

{peers(figures)}
"""
    return f"""# Report

Written by `make bench-report`; [README.md](README.md) says how to run it on a machine of your own, such as a NUC. All
times are medians. Compare ratios: they hold on other machines, the times do not.

{machine(figures)}

![Cold, cached, warm; latency against concurrency](latency.svg)

## A fresh interpreter

{interpreters(figures)}

## Many at once

Two executions at a time, the others queue: the service's defaults. Clients, service and everything else share the
machine's cores.

{load(figures)}

{throughput(figures)}

`1 + 1` for one client while a program in the other slot attacks:

{attacked(figures)}

Executions that wait keep a slot, a stack and the memory that they wrote; here each has a slot.

{waiting(figures)}

{memory(figures)}

## Programs that compute

CPU time from the program's text to its value, in the sandbox with fuel metered, and natively. All give the same values.

{programs(figures)}

## One tool call

By tools that answer at once. The last line is what HTTP takes in any case.

{tools(figures)}

{slow_tools(figures)}
{others}"""


def main():
    figures = measure.everything()
    (measure.BENCHES / "REPORT.md").write_text(document(figures))
    (measure.BENCHES / "latency.svg").write_text(drawing(figures))


if __name__ == "__main__":
    main()
