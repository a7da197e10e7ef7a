"""What all parts of the benchmark share: the table, times and medians, files to measure with, cleaning up."""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

MIB = 1 << 20
ROWS = []


def row(what, ours, theirs, asked, met, beside="", ratio=None):
    """Adds a line to the table and tells it at once."""
    ROWS.append((what, ours, beside, theirs, ratio or "", asked, {True: "yes", False: "NO", None: ""}[met]))
    print(f"  {what}: {ours}" + (f", {beside} {theirs}" if theirs else ""), file=sys.stderr, flush=True)


def compare(what, ours, beside, theirs, most):
    """A line for two medians of which the first is to be at most `most` times the second."""
    ratio = ours / theirs
    row(what, show(ours), show(theirs), f"≤ {most} ×", ratio <= most, beside, f"{ratio:.2f}")


def show(seconds):
    return f"{seconds * 1e3:.0f} ms" if seconds >= 0.1 else f"{seconds * 1e3:.2f} ms"


def note(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    """What the figures were measured on."""
    return f"Linux {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, medians"


def print_table():
    head = ("what", "ufs", "beside", "takes", "ratio", "asked", "met")
    print(machine())
    widths = [max(len(line[i]) for line in [head, *ROWS]) for i in range(len(head))]
    print()
    for line in [head, ["-" * width for width in widths], *ROWS]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


def seconds_of(command, **how):
    """Runs a command to its end and gives the time it took; a list, or a line for the shell."""
    how.setdefault("stdout", subprocess.DEVNULL)
    start = time.perf_counter()
    subprocess.run(command, shell=isinstance(command, str), check=True, **how)
    return time.perf_counter() - start


def in_turns(rounds, **tasks):
    """Runs each task once a round, in an order that changes; gives each one's median."""
    times = {name: [] for name in tasks}
    names = list(tasks)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(tasks[name]())
    return {name: statistics.median(found) for name, found in times.items()}


def missing(*tools):
    return [tool for tool in tools if shutil.which(tool) is None]


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(content)


def make_small_files(top, count):
    """Makes `count` files of 200 bytes, a hundred in a directory."""
    for number in range(count):
        write(f"{top}/{number // 100:04}/{number:06}", f"{number:>199}\n".encode())


def as_user(user, task):
    """Runs a task in a child process as another user; gives its answer."""
    read, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if user != 0:
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            answer = task()
            os.write(write_end, json.dumps(answer).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"measuring as user {user} failed")
    return json.loads(text)


def clean(place):
    """Unmounts and removes all that lies beneath `place`; an overlay's scratch directory may deny its owner."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        points = [line.split()[4] for line in lines]
    for point in sorted((point for point in points if point.startswith(place)), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False)
    shutil.rmtree(place, ignore_errors=True)
    if os.path.exists(place):
        subprocess.run(["rm", "-rf", place], check=False)
