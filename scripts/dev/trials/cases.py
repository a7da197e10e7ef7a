"""What is interrupted: operations on a store, what each promises, and what must be there whenever it ended.

A case's act is made of steps. Each prints its word once it is done; from then on its promise holds, whatever ends the
program or the machine. `after` holds at every point: what was there before, or what comes after, never neither.
`{tree}` is a host directory with a few files, `{tree}.tar` the same as a tar, `{out}` an empty directory beside the store.
"""

from dataclasses import dataclass, field

BASE = 'let b = layer("base"); b.write("old", "old"); b.write("d/f", "f"); b.seal();'
MOUNT = BASE + 'let m = mount_overlay("base", #{ name: "m" }); m.write("y", "y"); m.rm("old"); m.write("d/f", "g");'
# the mount `m`, as long as it is there
THERE = 'let there = mounts().find(|m| m.name == "m");'
UPPER = 'let m = use_mount("m"); assert_eq(m.read("y"), "y"); assert(!m.exists("old")); assert_eq(m.read("d/f"), "g");'


@dataclass
class Case:
    """One operation: what is prepared, its steps (word, code, promise), and what holds at every point."""

    before: str
    steps: list
    after: str
    # the names that it gives, for a second process that wants the same
    names: list = field(default_factory=list)
    # the drivers whose mount is meant by `DRIVER`
    drivers: tuple = ()

    def act(self):
        return "".join(f'{code} print("{word}");' for word, code, _ in self.steps)

    def promises(self, words):
        """What must hold once these words were said."""
        return "".join(f"{{ {promise} }}" for word, _, promise in self.steps if word in words and promise)


def by(driver, case):
    """The same with the mounts of one driver."""
    of = lambda text: text.replace("DRIVER", driver)
    return Case(of(case.before), [tuple(map(of, step)) for step in case.steps], of(case.after), case.names)


BY_NAME = {
    "first start": Case(
        "",
        [("sealed", BASE, 'assert_eq(layer("base").read("old"), "old");')],
        'let b = layer("base"); if !b.sealed { b.write("old", "old"); b.seal(); } assert_eq(b.read("old"), "old");',
    ),
    "seal": Case(
        BASE + 'let l = layer("new"); l.write("x", "x"); l.symlink("x", "s"); l.link("x", "h");',
        [("sealed", 'layer("new").seal();', 'assert(layer("new").sealed);')],
        'let l = layer("new"); assert_eq(l.read("x"), "x"); l.seal(); assert_eq(l.read("h"), "x");',
        ["new"],
    ),
    "seal of content that is there": Case(
        BASE + 'let l = layer("new"); l.write("old", "old"); l.write("d/f", "f");',
        [("sealed", 'layer("new").seal();', 'assert(layer("new").sealed);')],
        'let l = layer("new"); l.seal(); assert_eq(l.read("old"), "old");',
        ["new"],
    ),
    "seal in place of a layer": Case(
        BASE + 'let l = layer("new"); l.write("x", "1"); l.seal();',
        [("sealed", 'let l = layer("new", #{ fresh: true }); l.write("x", "2"); l.seal();', 'assert_eq(layer("new").read("x"), "2");')],
        'let l = layer("new"); assert(l.sealed && l.read("x") in ["1", "2"]);',
    ),
    "mount": Case(
        BASE,
        [
            ("written", 'let m = mount_DRIVER("base", #{ name: "m" }); m.write("y", "y");', ""),
            ("unmounted", "m.unmount();", 'assert_eq(use_mount("m").read("y"), "y");'),
            ("again", 'm.mount(); m.append_to("old", "er");', ""),
            ("twice", "m.unmount();", 'assert_eq(use_mount("m").read("old"), "older");'),
        ],
        THERE + 'if there == () { mount_DRIVER("base", #{ name: "m" }); }'
        'let m = use_mount("m"); assert(m.read("old").starts_with("old"));',
        drivers=("overlay", "fuse", "direct"),
    ),
    "a program that syncs": Case(
        BASE,
        [
            ("synced", 'let m = mount_DRIVER("base", #{ name: "m" }); m.sh("echo y >y; sync y; echo new >>old; sync old");',
             'let m = use_mount("m"); assert_eq(m.read("y"), "y\\n"); assert_eq(m.read("old"), "oldnew\\n");'),
        ],
        'assert_eq(layer("base").read("old"), "old");',
        drivers=("overlay", "fuse"),
    ),
    "commit": Case(
        MOUNT,
        [
            ("first", 'let m = use_mount("m"); commit("top", "a message");',
             'let t = layer("top"); assert_eq(t.read("y"), "y"); assert_eq(t.message, "a message"); assert_eq(t.stack[0].name, "base");'),
            ("second", 'm.write("z", "z"); commit("top2");',
             'let t = layer("top2"); assert_eq(t.read("z"), "z"); assert_eq(t.stack.len(), 3);'),
        ],
        # the mount goes at the end or at the next start, once all of it has names
        THERE + 'let named = layers().filter(|l| l.sealed).map(|l| l.name);'
        'let m = if there != () { use_mount("m") } else { mount_overlay(if "top2" in named { "top2" } else { "top" }) };'
        'assert_eq(m.read("y"), "y"); assert(!m.exists("old")); assert_eq(m.read("d/f"), "g");'
        'm.write("more", "more"); commit("again"); assert_eq(layer("again").stack[0].name, "base");',
        ["top", "top2"],
    ),
    "commit by another driver": Case(
        MOUNT.replace("mount_overlay", "mount_DRIVER"),
        [("first", 'use_mount("m"); commit("top");', 'assert_eq(layer("top").read("y"), "y");')],
        THERE + 'let m = if there == () { mount_DRIVER("top") } else { use_mount("m") };'
        'assert_eq(m.read("y"), "y"); assert(!m.exists("old")); assert_eq(m.read("d/f"), "g");',
        ["top"],
        drivers=("fuse", "direct"),
    ),
    "commit to a name that is taken": Case(
        MOUNT + 'let l = layer("top"); l.write("was", "was"); l.seal();',
        [("first", 'use_mount("m"); commit("top");', 'assert_eq(layer("top").read("y"), "y");')],
        THERE + 'let t = layer("top"); assert(t.exists("was") || t.read("y") == "y");'
        'let m = if there == () { mount_overlay("top") } else { use_mount("m") }; assert_eq(m.read("y"), "y");',
        ["top"],
    ),
    "commit of content that is there": Case(
        BASE + 'let l = layer("same"); l.write("y", "y"); l.seal(); let m = mount_overlay("base", #{ name: "m" }); m.write("y", "y");',
        [("first", 'use_mount("m"); commit("top");', 'assert_eq(layer("top").read("y"), "y");')],
        THERE + 'let m = if there == () { mount_overlay("top") } else { use_mount("m") };'
        'assert_eq(m.read("y"), "y"); assert_eq(m.read("old"), "old");',
        ["top"],
    ),
    "commit without a name": Case(
        BASE + 'let m = mount_overlay("base", #{ name: "m" }); m.write("y", "y");',
        [("first", 'use_mount("m"); commit();', "")],
        'collect(); let m = use_mount("m"); assert_eq(m.read("y"), "y"); assert_eq(m.read("old"), "old");',
    ),
    "reset": Case(
        MOUNT,
        [("reset", 'use_mount("m"); reset();', "")],
        THERE + 'if there != () { let m = use_mount("m"); if m.exists("y") { ' + UPPER + ' } else { assert_eq(m.read("old"), "old"); } }',
    ),
    "discard": Case(
        MOUNT, [("discarded", 'use_mount("m").discard();', "")], THERE + "if there != () { " + UPPER + " }"
    ),
    "remove and collect": Case(
        BASE + 'for i in 0..3 { let l = layer("l" + i); l.write("x", "x" + i); l.seal(); } layer("kept").write("x", "x");'
        'mount_overlay(["base", "l2"], #{ name: "gone" }).write("a", "a");',
        [
            ("removed", 'remove("l0"); remove("l2");', 'assert(!("l0" in layers().map(|l| l.name)));'),
            ("discarded", 'mounts().find(|m| m.name == "gone").discard(); collect(); remove("kept");', ""),
        ],
        'assert_eq(layer("l1").read("x"), "x1"); assert_eq(layer("base").read("old"), "old"); collect();',
    ),
    "add": Case(
        BASE + 'layer("new").write("first", "1");',
        [("sealed", 'let l = layer("new"); l.add("{tree}"); l.add("{tree}.tar", "/tar"); l.seal();',
          'let l = layer("new"); assert_eq(l.read("tar/d/b"), "b");')],
        'let l = layer("new"); assert_eq(l.read("first"), "1"); if !l.sealed { l.add("{tree}"); l.seal(); }'
        'assert_eq(l.read("a"), "a");',
        ["new"],
    ),
    "squash": Case(
        BASE + 'let l = layer("top"); l.write("old", "new"); l.seal();',
        [("squashed", 'squash(["base", "top"], "flat");', 'let f = layer("flat"); assert_eq(f.read("old") + f.read("d/f"), "newf");')],
        'assert_eq(layer("base").read("old"), "old"); assert_eq(layer("top").read("old"), "new");',
        ["flat"],
    ),
    "a draft's record": Case(
        BASE,
        [
            ("made", 'let l = layer("new"); l.write("x", "x"); l.symlink("x", "s"); l.chown("s", 5, 6);', ""),
            ("more", 'l.chown("s", 7, 8); l.write("z", "z");', ""),
            ("exit", "", 'let l = layer("new"); assert_eq(l.read("x") + l.read("z"), "xz"); assert_eq(l.stat("s").uid, 7);'),
        ],
        'let l = layer("new"); l.write("more", "more"); l.seal(); assert_eq(l.read("more"), "more");',
        ["new"],
    ),
    "export": Case(
        BASE,
        [("exported", 'layer("base").export_tar("{out}/base.tar");', 'assert(layer_at("{out}").exists("base.tar"));')],
        'if layer_at("{out}").exists("base.tar") { let l = layer("in"); l.add("{out}/base.tar"); l.seal(); assert_eq(l.id, layer("base").id); }',
    ),
}

CASES = {}
for name, case in BY_NAME.items():
    for driver in case.drivers or [None]:
        CASES[name if driver is None else f"{name}: {driver}"] = by(driver, case) if driver else case
