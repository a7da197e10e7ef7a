"""Programs that change one store at once, and others that sync at random; what they acknowledged, and whether it is there."""

import os
import subprocess
import time


WORKERS = 3
# each round: a layer is sealed, one committed, a name moved, a name dropped, an upper written and unmounted
WORK = """
fn keep(word) { print(word); }
let w = args()[0];
for round in 0..1000000 {
    let id = w + "-" + round;
    let l = layer("s-" + id); l.write("id", id); l.write("more", id + id); l.seal();
    keep("s-" + id);
    let m = mount_DRIVER("s-" + id, #{ name: "m-" + w, fresh: true });
    m.write("top", id);
    m.commit("c-" + id);
    keep("c-" + id);
    m.write("moved", id);
    m.commit("moved-" + w);
    keep("moved-" + id);
    m.write("left", id);
    m.unmount();
    keep("left-" + id);
    if round > 3 { remove("s-" + w + "-" + (round - 3)); keep("gone-" + w + "-" + (round - 3)); }
    // the disk is small, and nothing is collected while all are at work
    sleep(0.1);
    if round % 4 == 3 { try { collect(); } catch (e) { if e.kind != "busy" { throw e; } } }
}
"""


class Load:
    def __init__(self, program, store):
        self.program, self.store, self.running, self.said = program, store, [], []

    def start(self, disk):
        for number, driver in zip(range(WORKERS), ("overlay", "direct", "fuse")):
            script = os.path.join(self.program.place, f"work-{number}.rhai")
            with open(script, "w") as file:
                file.write(WORK.replace("DRIVER", driver))
            said = os.path.join(self.program.place, f"said-{number}")
            self.said.append(said)
            command = [self.program.path, "--quiet", "--store", self.store, script, f"w{number}"]
            with open(said, "w") as out:
                self.running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                                     stderr=subprocess.STDOUT, env=self.program.env))
        sync = ("import os, random, sys, time\n"
                "while True:\n"
                "    time.sleep(random.uniform(0, 0.2))\n"
                "    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\n"
                "    os.write(fd, b'o'); os.fsync(fd); os.close(fd)\n")
        self.running.append(subprocess.Popen(["python3", "-c", sync, os.path.join(disk, "other")]))
        until = time.monotonic() + 60
        while not all(os.path.getsize(said) for said in self.said):
            assert time.monotonic() < until, "a program has said nothing for a minute"
            time.sleep(0.01)

    def acknowledged(self):
        words = []
        for said in self.said:
            with open(said) as file:
                # the last line may be half of one
                words += file.read().split("\n")[:-1]
        return words

    def stop(self):
        try:
            # before they are told to end, which they would call an error
            for said in self.said:
                with open(said) as file:
                    assert "error" not in (text := file.read()), text[-2000:]
        finally:
            for process in self.running:
                process.terminate()
            for process in self.running:
                process.wait()

    def wrong(self, store, acknowledged):
        """What is wrong with a store once these words were said."""
        gone = {word[5:] for word in acknowledged if word.startswith("gone-")}
        code, newest = [], {}
        for word in acknowledged:
            kind, worker, number = word.split("-")
            which, newest[kind, worker] = f"{worker}-{number}", int(number)
            # it may be dropped soon after, before that is told
            if kind == "s" and which not in gone:
                code.append(f'if "s-{which}" in names {{ assert_eq(layer("s-{which}").read("more"), "{which}{which}"); }}')
            if kind == "c":
                code.append(f'assert_eq(layer("c-{which}").read("top"), "{which}");')
            if kind == "gone":
                code.append(f'assert(!("s-{which}" in names), "s-{which} is back");')
        for (kind, worker), number in newest.items():
            which, next_one = f"{worker}-{number}", f"{worker}-{number + 1}"
            if kind == "s":
                code.append(f'assert("s-{which}" in names, "s-{which} is not there");')
            if kind == "moved":
                # the next one may be there before it is told
                code.append(f'assert(layer("moved-{worker}").read("moved") in ["{which}", "{next_one}"], "moved-{worker}");')
            if kind == "left" and newest["s", worker] == number:
                # the next round drops the mount
                code.append(f'{{ let m = mounts().find(|m| m.name == "m-{worker}"); '
                            f'if m != () && m.stack[0].name == "s-{which}" {{ assert_eq(use_mount(m).read("left"), "{which}"); }} }}')
        return self.program.wrong(store, "let names = layers().map(|l| l.name);" + "".join(code))
