"""Large stores: many layers and names, a layer of a million files, a squash, and the end of a throw-away store.

Every script runs in a process of its own, whose memory is what the kernel counts at its end (`ru_maxrss`).
"""

import io
import os
import subprocess
import sys
import tarfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from benchmarks.measure import make_small_files, note, row, show, write

MANY = 1_000
MILLION = 1_000_000
SQUASHED = 300_000

# asked of these, in seconds and in MiB
OPEN, LIST, GONE, MEMORY = 0.020, 0.050, 2.0, 1024


class Scale:
    def __init__(self, place, ufs, runs):
        self.place, self.ufs, self.runs = place, ufs, runs
        self.env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": place, "TMPDIR": place}
        os.makedirs(place)

    def script(self, text, store=("--store", "store"), **how):
        """Runs a script; gives the numbers of its lines `= NAME NUMBER`, how long it ran, and its memory in MiB."""
        path = f"{self.place}/script.rhai"
        write(path, text.encode())
        start = time.perf_counter()
        child = subprocess.Popen([self.ufs, *store, "--quiet", path], cwd=self.place, env=self.env,
                                 stdout=subprocess.PIPE, **how)
        with child.stdout as out:
            lines = [line.split() for line in out.read().decode(errors="replace").splitlines()]
        _, status, used = os.wait4(child.pid, 0)
        took = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise RuntimeError(f"the script ended with {child.returncode}:\n{text}")
        numbers = {words[1]: float(words[2]) for words in lines if len(words) == 3 and words[0] == "="}
        return numbers, took, used.ru_maxrss / 1024

    def many(self):
        note(f"scale: {MANY:,} layers and names")
        self.script(f'for i in 0..{MANY} {{ let l = layer(`n${{i}}`); l.write(`f${{i}}`, `${{i}}`); l.seal(); }}', ("--store", "many", "--sync=off"))

        def best(text, key=None, store=("--store", "many", "--sync=off")):
            found = [self.script(text, store) for _ in range(3 * self.runs)]
            return sorted(numbers[key] if key else took for numbers, took, _ in found)[len(found) // 2]

        opened = best("layer(\"n1\");") - best("1", store=("--store", "none"))
        row(f"opening a store of {MANY:,} layers and names", show(opened), "", f"< {show(OPEN)}", opened < OPEN)
        listed = best("let t = timestamp(); let l = layers(); print(`= list ${t.elapsed}`);", "list")
        row(f"`layers()` of {MANY:,}", show(listed), "", f"< {show(LIST)}", listed < LIST)
        drawn = best("let t = timestamp(); print(layers()); print(`= list ${t.elapsed}`);", "list")
        row(f"the same, drawn", show(drawn), "", "", None)

    def squash(self):
        note(f"scale: add and squash of {SQUASHED:,} files")
        make_small_files(f"{self.place}/source", SQUASHED)
        text = """
            let l = layer("big"); let t = timestamp(); l.add("source"); print(`= add ${t.elapsed}`);
            let t = timestamp(); l.seal(); print(`= seal ${t.elapsed}`);
            let top = layer("top"); top.write("/0000/000001", "changed"); top.whiteout("/0002"); top.seal();
            let t = timestamp(); squash(["big", "top"], "flat"); print(`= squash ${t.elapsed}`);
        """
        times, _, memory = self.script(text)
        made = times["add"] + times["seal"]
        row(f"`squash` of {SQUASHED:,} files", show(times["squash"]), show(made), "", None, "add and seal",
            f"{times['squash'] / made:.2f}")
        row("memory of all that", f"{memory:.0f} MiB", "", f"< {MEMORY} MiB", memory < MEMORY)
        self.script('for n in ["big", "top", "flat"] { remove(n); } gc();')

    def throw_away(self):
        note(f"scale: the end of a throw-away store of {2 * SQUASHED:,} files")
        path = f"{self.place}/script.rhai"
        write(path, b'for n in ["a", "b"] { let l = layer(n); l.add("source"); } print("end");')
        child = subprocess.Popen([self.ufs, "--ephemeral", "--quiet", path], cwd=self.place, env=self.env,
                                 stdout=subprocess.PIPE)
        child.stdout.readline()
        start = time.perf_counter()
        stores = lambda: [name for name in os.listdir(self.place) if name.startswith("ufs-")]
        before = stores()
        child.stdout.read()
        child.wait()
        ended = time.perf_counter() - start
        while set(before) & set(stores()):
            time.sleep(0.005)
        named = time.perf_counter() - start
        while stores():
            time.sleep(0.02)
        gone = time.perf_counter() - start
        row(f"end of a throw-away store of {2 * SQUASHED:,} files: its name is gone", show(named), "",
            f"< {show(GONE)}", named < GONE)
        row("the program has ended", show(ended), "", f"< {show(GONE)}", ended < GONE)
        row("its files are gone, by a process that stays behind", show(gone), "", "", None)

    def million(self):
        note(f"scale: a layer of {MILLION:,} files, out of a tar that is made meanwhile")
        sealed = 'let l = layer("million"); l.add("/dev/stdin"); let t = timestamp(); l.seal(); print(`= seal ${t.elapsed}`);'
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            with os.fdopen(write_end, "wb", 1 << 20) as out:
                write_tar(out, MILLION)
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as tar:
            self.tell("seal", *self.script(sealed, stdin=tar))
        os.waitpid(child, 0)
        timed = lambda name, what: f"let t = timestamp(); {what}; print(`= {name} ${{t.elapsed}}`);"
        self.tell("mount", *self.script(timed("mount", 'mount("million", #{ name: "m" })') + 'write("/0000/000001", "changed"); rm_all("/0002");'))
        self.tell("diff", *self.script('let m = use_mount("m");' + timed("diff", "let changes = m.diff()") + "assert(changes.len() > 1);"))
        self.tell("diff", *self.script(timed("diff", 'let all = diff(layer("million"), use_mount("m"))')), what="diff of layer and mount")
        self.script('use_mount("m").commit("top");')
        self.tell("check", *self.script(timed("check", "assert(check().is_empty())")))
        self.tell("squash", *self.script(timed("squash", 'squash(["million", "top"], "flat")')))

    def tell(self, name, times, _, memory, what=None):
        row(f"{what or name} of {MILLION:,} files", f"{times[name]:.1f} s", "", "", None)
        row(f"memory of that", f"{memory:.0f} MiB", "", f"< {MEMORY} MiB", memory < MEMORY)


def write_tar(out, count):
    """A tar of small files, a hundred in a directory."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(count):
            content = f"{number:>199}\n".encode()
            if number % 100 == 0:
                head = tarfile.TarInfo(f"{number // 100:04}")
                head.type, head.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(head)
            head = tarfile.TarInfo(f"{number // 100:04}/{number:06}")
            head.size = len(content)
            tar.addfile(head, io.BytesIO(content))


def run(place, ufs, runs):
    scale = Scale(place, ufs, runs)
    scale.many()
    scale.squash()
    scale.throw_away()
    scale.million()
