"""Sessions that are killed at random, on one store that goes on; what each had told to be done must be there."""

import os
import random
import subprocess
import time

from trials.program import mounted, unmount_all

# a session of a few operations on names of its own; it says each once it is done
SESSION = """
let n = args()[0];
fn say(word) { print(word); }
let l = layer("s" + n); l.write("x", n); l.symlink("x", "link"); l.seal(); say("s" + n);
let m = mount_DRIVER(["base", "s" + n], #{ name: "m", fresh: true }); m.write("y", n); m.commit("c" + n); say("c" + n);
m.write("z", n); m.commit("moved"); say("moved");
m.write("left", n); m.rm("y"); m.unmount(); say("left");
squash(["s" + n, "c" + n], "q" + n); say("q" + n);
let d = layer("draft", #{ fresh: true }); d.write("n", n);
if n.parse_int() > 5 { for kind in ["s", "c", "q"] { let old = kind + (n.parse_int() - 5); if old in layers().map(|l| l.name) { remove(old); } } say("gone"); }
collect(); say("collected");
m.mount(); m.reset(); say("reset");
m.discard(); say("discarded");
"""


class Sessions:
    def __init__(self, program):
        self.program, self.store = program, os.path.join(program.place, "store")
        self.scripts = []
        for driver in ("overlay", "fuse", "direct"):
            script = os.path.join(program.place, f"session-{driver}.rhai")
            with open(script, "w") as file:
                file.write(SESSION.replace("DRIVER", driver))
            self.scripts.append(script)
        program.must(self.store, 'let b = layer("base"); b.write("old", "old"); b.seal();')
        # what names stand for, and which are told to be gone
        self.there, self.moved = {}, []

    def kill(self, count, seconds):
        kills = bad = number = 0
        until, whole = time.monotonic() + seconds, self.length()
        while kills < count and time.monotonic() < until:
            number += 1
            words, killed = self.session(number, random.uniform(0, whole * 1.2))
            kills += killed
            wrong = self.wrong(number, words)
            if wrong:
                bad += 1
                print(f"session {number}, said {words}: {wrong}", flush=True)
                unmount_all(self.store)
        return kills, bad

    def command(self, number):
        script = self.scripts[number % len(self.scripts)]
        return [self.program.path, "--quiet", "--store", self.store, script, str(number)]

    def length(self):
        """How long a session takes that nobody ends."""
        start = time.monotonic()
        for number in range(-3, 0):
            subprocess.run(self.command(number), check=True, stdout=subprocess.DEVNULL, env=self.program.env)
        return (time.monotonic() - start) / 3

    def session(self, number, after):
        """Starts a session and ends it; gives what it said, and whether it was killed."""
        process = subprocess.Popen(self.command(number), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env=self.program.env)
        try:
            said, _ = process.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        assert process.returncode in (0, -9), said
        # the last line may be half of one
        return said.split("\n")[:-1], process.returncode == -9

    def wrong(self, number, words):
        n, code = str(number), ['let names = layers().map(|l| l.name); assert_eq(layer("base").read("old"), "old");']
        for word in words:
            if word in (f"s{n}", f"c{n}", f"q{n}"):
                self.there[word] = n
        for kind in "scq":
            old = f"{kind}{number - 5}"
            # it may have been dropped before that was told
            if number > 5 and old in self.there:
                del self.there[old]
                if "gone" in words:
                    code.append(f'assert(!("{old}" in names), "{old} is back");')
        if "moved" in words:
            self.moved = [n]
        elif f"c{n}" in words:
            # it may have been named before that was told
            self.moved.append(n)
        file = {"s": "x", "c": "y", "q": "y"}
        code += [f'assert_eq(layer("{name}").read("{file[name[0]]}"), "{value}");' for name, value in self.there.items()]
        if self.moved:
            code.append(f'assert(layer("moved").read("z") in {list(self.moved)}, "moved");'.replace("'", '"'))
        if "left" in words and "collected" not in words:
            code.append(f'let m = use_mount("m"); assert_eq(m.read("left") + m.read("z"), "{n}{n}"); assert(!m.exists("y"));')
        left = self.program.wrong(self.store, "".join(code))
        # a draft that was begun stays
        return left
