"""The same work on mounts of all drivers in turn, on a tmpfs: the kernel's overlay, ours, and the others on FUSE.

Each round makes a fresh mount a driver and runs every workload on it once, in the order of `WORK`: "cold" is the first
time that something is read in a mount. Times are of this process, which does the work with plain system calls.
"""

import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from benchmarks.measure import MIB, clean, machine, note, write

DIRS = 150


# -- what is worked on -----------------------------------------------------------------------------------------------


def make_lower(top):
    for d in range(DIRS):
        for f in range(60):
            write(f"{top}/tree/d{d}/f{f}", b"x" * 2000)
        for f in range(30):
            write(f"{top}/tree/d{d}/e/f{f}", b"x" * 2000)
    for f in range(20_000):
        write(f"{top}/many/n{f:05}", b"")
    for f in range(2000):
        write(f"{top}/copy/f{f}", b"y" * 1000)
    for d in range(50):
        for f in range(20):
            write(f"{top}/remove/d{d}/f{f}", b"1")
    for name in ("big", "big-copy"):
        write(f"{top}/{name}", os.urandom(MIB) * 256)


def make_archive(path):
    """As packages are: many small files, some links, some larger files."""
    draw, source = random.Random(1), path + ".d"
    for d in range(200):
        for f in range(4):
            write(f"{source}/p{d}/f{f}", b"t" * draw.choice([0, 300, 1500, 4000, 9000]))
        os.symlink("f0", f"{source}/p{d}/link")
        if d % 10 == 0:
            os.link(f"{source}/p{d}/f1", f"{source}/p{d}/hard")
    for f in range(20):
        write(f"{source}/lib/f{f}", os.urandom(MIB // 4))
    with tarfile.open(path, "w") as archive:
        archive.add(source, "archive")
    shutil.rmtree(source)


# -- the workloads ---------------------------------------------------------------------------------------------------


def walk(at):
    for top, _, files in os.walk(f"{at}/tree"):
        for name in files:
            os.lstat(f"{top}/{name}")


def stat_by_four(at):
    code = f'import os\nfor d in range(%d, {DIRS}, 4):\n for f in range(60): os.lstat("{at}/tree/d%%d/f%%d" %% (d, f))'
    running = [subprocess.Popen([sys.executable, "-c", code % number]) for number in range(4)]
    for process in running:
        process.wait()


def list_many(at):
    os.listdir(f"{at}/many")


def list_long(at):
    subprocess.run(["ls", "-l", f"{at}/many"], stdout=subprocess.DEVNULL, check=True)


def read_small(at):
    for top, _, files in os.walk(f"{at}/tree"):
        for name in files:
            fd = os.open(f"{top}/{name}", os.O_RDONLY)
            os.read(fd, 65536)
            os.close(fd)


def read_on(at):
    fd = os.open(f"{at}/big", os.O_RDONLY)
    while os.read(fd, MIB):
        pass
    os.close(fd)


def read_about(at, name="big"):
    fd, draw = os.open(f"{at}/{name}", os.O_RDONLY), random.Random(1)
    for _ in range(20_000):
        os.pread(fd, 4096, draw.randrange(65_000) * 4096)
    os.close(fd)


def read_about_cold(at):
    read_about(at, "big-copy")


def write_on(at, name="new", size=MIB, count=256):
    data, fd = b"z" * size, os.open(f"{at}/{name}", os.O_WRONLY | os.O_CREAT, 0o644)
    for _ in range(count):
        os.write(fd, data)
    os.close(fd)


def write_pages(at):
    write_on(at, "new-pages", 4096, 10_000)


def create(at):
    os.mkdir(f"{at}/created")
    for number in range(5000):
        write_on(at, f"created/{number}", 100, 1)


def append(path):
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"q")
    os.close(fd)


def copy_up_small(at):
    for number in range(2000):
        append(f"{at}/copy/f{number}")


def copy_up_big(at):
    append(f"{at}/big-copy")


def remove_files(at):
    for number in range(1000):
        os.unlink(f"{at}/many/n{number:05}")


def remove_dirs(at):
    subprocess.run(["rm", "-rf", f"{at}/remove"], check=True)


def untar(at):
    os.mkdir(f"{at}/untarred")
    subprocess.run(["tar", "-xf", os.environ["ARCHIVE"], "-C", f"{at}/untarred"], check=True)


WORK = {
    "walk and stat 13,500 files, cold": walk,
    "the same walk, warm": walk,
    "stat 9,000 files by four processes": stat_by_four,
    "list 20,000 names, cold": list_many,
    "the same list, warm": list_many,
    "`ls -l` of 20,000 files": list_long,
    "open and read 13,500 small files, cold": read_small,
    "the same files, warm": read_small,
    "read 256 MiB": read_on,
    "read 20,000 × 4 KiB of it at random": read_about,
    "read 20,000 × 4 KiB of another at random, cold": read_about_cold,
    "write 256 MiB": write_on,
    "write 10,000 × 4 KiB": write_pages,
    "create 5,000 files": create,
    "copy up 2,000 small files": copy_up_small,
    "copy up 256 MiB": copy_up_big,
    "delete 1,000 lower files": remove_files,
    "`rm -r` of 50 directories": remove_dirs,
    "unpack a tar of 1,240 entries": untar,
}


# -- the mounts ------------------------------------------------------------------------------------------------------


class Kernel:
    """mount -t overlay."""

    tool = None

    def start(self, top):
        options = f"userxattr,lowerdir={top}/../lower,upperdir={top}/upper,workdir={top}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, f"{top}/merged"], check=True)

    def stop(self, top):
        subprocess.run(["umount", f"{top}/merged"], check=True)


class Ours:
    """A script that mounts, and holds on until it is told to go."""

    def __init__(self, ufs):
        self.tool = ufs

    def start(self, top):
        script = (f'mount_fuse(layer_at("{top}/../lower"), #{{ at: "{top}/merged" }});'
                  f'sh("touch {top}/ready; while [ ! -e {top}/stop ]; do sleep 0.1; done");')
        write(f"{top}/script.rhai", script.encode())
        self.process = subprocess.Popen([self.tool, "--quiet", "--store", f"{top}/store", f"{top}/script.rhai"])
        wait_for(lambda: os.path.exists(f"{top}/ready"), self.process)

    def stop(self, top):
        write(f"{top}/stop", b"")
        self.process.wait()


class Program:
    """A program that stays in the foreground and takes the options of fuse-overlayfs, or unionfs-fuse's."""

    def __init__(self, tool, unionfs=False):
        self.tool, self.unionfs = tool, unionfs

    def start(self, top):
        lower = os.path.normpath(f"{top}/../lower")
        if self.unionfs:
            command = [self.tool, "-f", "-o", "cow,allow_other,default_permissions",
                       f"{top}/upper=RW:{lower}=RO", f"{top}/merged"]
        else:
            command = [self.tool, "-f", "-o", f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work", f"{top}/merged"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, **quiet)
        wait_for(lambda: os.path.ismount(f"{top}/merged"), self.process)

    def stop(self, top):
        subprocess.run(["umount", f"{top}/merged"], check=True)
        self.process.wait()


def wait_for(is_so, process):
    end = time.monotonic() + 30
    while not is_so():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args[0]} did not mount")
        time.sleep(0.01)


def mounts(ufs, newer, unprivileged):
    """Every driver by its name; those whose program is missing are told and left out."""
    found = {"the kernel's overlay": Kernel(), "`mount_fuse`": Ours(ufs)}
    rest = {"fuse-overlayfs 2.0": (newer, "cargo install fuse-overlayfs, and --fuse-overlayfs FILE")}
    if not unprivileged:
        rest["fuse-overlayfs of Debian"] = (shutil.which("fuse-overlayfs"), "apt-get install fuse-overlayfs")
        rest["unionfs-fuse"] = (shutil.which("unionfs"), "apt-get install unionfs-fuse")
    for name, (tool, how) in rest.items():
        if tool and os.access(tool, os.X_OK):
            found[name] = Program(tool, unionfs=name == "unionfs-fuse")
        else:
            note(f"  left out: {name} ({how})")
    return found


# -- a run -----------------------------------------------------------------------------------------------------------


def run_once(mount, top, only):
    """Every workload on a fresh mount; gives the times."""
    for name in ("upper", "work", "merged"):
        os.makedirs(f"{top}/{name}")
    mount.start(top)
    times = {}
    try:
        for what, work in WORK.items():
            if only and not any(word in what for word in only):
                continue
            start = time.perf_counter()
            work(f"{top}/merged")
            times[what] = time.perf_counter() - start
    finally:
        mount.stop(top)
        shutil.rmtree(top, ignore_errors=True)
    return times


def measure(place, ufs, newer, runs, only=(), unprivileged=False):
    """Measures all drivers in turn; gives driver → workload → median."""
    found = mounts(ufs, newer, unprivileged)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "ufs-bench", place], check=True)
    os.environ["ARCHIVE"] = f"{place}/archive.tar"
    make_archive(os.environ["ARCHIVE"])
    make_lower(f"{place}/lower")
    times = {name: [] for name in found}
    names = list(found)
    for turn in range(runs):
        note(f"  round {turn + 1} of {runs}")
        for name in names[turn % len(names):] + names[: turn % len(names)]:
            times[name].append(run_once(found[name], f"{place}/mount", only))
    return {name: {what: statistics.median(one[what] for one in each) for what in each[0]}
            for name, each in times.items()}


def print_medians(title, medians, runs):
    """A table of milliseconds for the first driver and of ratios to it for the others."""
    names = list(medians)
    base = medians[names[0]]
    lines = [[title, *names], ["---"] * (len(names) + 1)]
    for what, took in base.items():
        ratios = [f"{medians[name][what] / took:.1f}" for name in names[1:]]
        lines.append([what, f"{took * 1e3:.1f} ms", *ratios])
    means = [math.exp(statistics.fmean(math.log(medians[name][what] / base[what]) for what in base)) for name in names[1:]]
    lines.append(["geometric mean", "1", *(f"{mean:.2f}" for mean in means)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    print(f"\n{machine()} of {runs}\n")
    for line in lines:
        cells = ("-" * width if cell == "---" else cell.ljust(width) for cell, width in zip(line, widths))
        print("| " + " | ".join(cells) + " |", flush=True)


def run(place, ufs, newer, runs, only=()):
    """Both tables: as root of the machine, and as root of a user namespace, where the kernel allows no passthrough."""
    asked = {"ufs": ufs, "newer": newer, "runs": runs, "only": only}
    for title, how in {"as root": [], "in a user namespace": ["--user", "--map-root-user"]}.items():
        note(f"drivers: the same work on each, {title}")
        top = f"{place}/drivers"
        os.makedirs(top, exist_ok=True)
        asked.update(place=top, unprivileged=bool(how))
        command = ["unshare", *how, "--mount", sys.executable, os.path.abspath(__file__), json.dumps(asked)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        print_medians(title, json.loads(done.stdout), runs)


if __name__ == "__main__":
    what = json.loads(sys.argv[1])
    try:
        print(json.dumps(measure(**what)))
    finally:
        clean(what["place"])
