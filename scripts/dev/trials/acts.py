"""What is tried with errors: acts that can be called again after one, and what each promises.

`{tree}` is a host directory, `{out}` an empty one beside the store.
"""

from trials.cases import BASE

MOUNT = BASE + 'let m = mount_DRIVER("base", #{ name: "m" }); m.write("y", "y"); m.rm("old");'
DRAFT = BASE + 'let l = layer("new"); l.write("x", "x"); l.symlink("x", "s"); l.link("x", "h"); l.chown("s", 5, 6);'
DRIVERS = ("overlay", "fuse", "direct")

# name: (before, act, promise); one whose act has a DRIVER is tried with each
ACTS = {
    "open": (BASE, "layers(); mounts();", 'assert_eq(layer("base").read("old"), "old");'),
    "write a draft": (
        BASE,
        'let l = layer("new"); l.write("d/x", "x"); l.chmod("d/x", "0600"); l.chown("d/x", 5, 6);'
        'l.set_xattr("d/x", "user.a", "1"); if !l.exists("s") { l.symlink("d/x", "s"); } l.chown("s", 7, 8);'
        'if !l.exists("h") { l.link("d/x", "h"); } l.whiteout("gone"); l.opaque("d");',
        'let l = layer("new"); assert_eq(l.read("h"), "x"); assert_eq(l.stat("s").uid, 7); assert_eq(l.stat("d/x").uid, 5);',
    ),
    "seal": (DRAFT, 'layer("new").seal();', 'let l = layer("new"); assert(l.sealed); assert_eq(l.read("h"), "x");'),
    "seal of content that is there": (
        BASE + 'let l = layer("new"); l.write("old", "old"); l.write("d/f", "f");',
        'layer("new").seal();',
        'assert(layer("new").sealed); assert_eq(layer("new").id, layer("base").id);',
    ),
    "add": (
        BASE,
        'let l = layer("new"); l.add("{tree}"); l.add("{tree}.tar", "/tar");',
        'let l = layer("new"); for at in ["", "tar/"] { assert_eq(l.read(at + "d/b") + l.read(at + "d/hard"), "ba"); }',
    ),
    "squash": (
        BASE + 'let l = layer("top"); l.write("old", "new"); l.seal();',
        'squash(["base", "top"], "flat");',
        'let f = layer("flat"); assert(f.sealed); assert_eq(f.read("old") + f.read("d/f"), "newf");',
    ),
    "mount": (
        BASE,
        'let m = mount_DRIVER("base", #{ name: "m", fresh: true }); m.write("y", "y"); m.unmount();',
        'assert_eq(use_mount("m").read("y"), "y");',
    ),
    "write": (
        MOUNT,
        'let m = use_mount("m"); m.write("d/f", "changed"); m.chmod("d/f", "0600"); m.write("new/n", "n"); m.rm_all("new");'
        'm.write("d/n", "n");',
        'let m = use_mount("m"); assert_eq(m.read("d/f") + m.read("d/n") + m.read("y"), "changedny");',
    ),
    "look": (
        MOUNT,
        'let m = use_mount("m"); assert_eq(m.read("y"), "y"); assert_eq(m.ls("/").len(), 2); assert_eq(diff().len(), 2);'
        'assert_eq(explain("old").steps.len(), 2); assert_eq(m.stat("d/f").size, 1); history();',
        "",
    ),
    "commit": (
        MOUNT, 'use_mount("m").commit("top");', 'let t = layer("top"); assert_eq(t.read("y"), "y"); assert_eq(t.stack[0].name, "base");'
    ),
    "reset": (MOUNT, 'use_mount("m").reset();', 'let m = mounts().find(|m| m.name == "m"); assert(m == () || !m.dirty);'),
    "discard": (
        MOUNT, 'let m = mounts().find(|m| m.name == "m"); if m != () { m.discard(); }', 'assert(mounts().is_empty());'
    ),
    "remove and collect": (
        BASE + 'let l = layer("l"); l.write("x", "x"); l.seal(); layer("draft").write("x", "x");',
        'for name in layers().map(|l| l.name) { if name != "base" { remove(name); } } collect();',
        'assert_eq(layers().map(|l| l.name), ["base"]); assert_eq(collect().layers, 0);',
    ),
    "export": (
        BASE,
        'layer("base").export_tar("{out}/base.tar");',
        'let l = layer("again"); l.add("{out}/base.tar"); l.seal(); assert_eq(l.id, layer("base").id);',
    ),
    "check": (DRAFT + 'layer("new").seal();', "let found = check(); for f in found { print(f); } if !found.is_empty() { throw found[0]; }", ""),
}
