//! `--sandbox`: every command, and many ways out of it; none leads anywhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::program::{Place, Ran, holds};

/// A place with something to steal, something that may be read, and somewhere that may be written.
fn place() -> Place {
    let place = Place::new().with("UFS_SECRET", "stolen");
    for dir in ["in", "work", "secret"] {
        fs::create_dir(place.path().join(dir)).unwrap();
    }
    place.file("secret/key", "stolen");
    place.file("secret/module.rhai", "fn f() { \"stolen\" }");
    place.file("in/f", "may be read\n");
    place.file("in/module.rhai", "fn f() { \"imported\" }");
    for (name, to) in [
        ("out", "../secret"),
        ("key", "../secret/key"),
        ("root", "/proc/self/root"),
        ("gone", "../secret/new"),
    ] {
        for dir in ["in", "work"] {
            symlink(to, place.path().join(dir).join(name)).unwrap();
        }
    }
    place
}

fn boxed(place: &Place, words: &[&str], code: &str) -> Ran {
    let words =
        [&["--sandbox", "--allow-read", "in", "--allow-write", "work"], words, &["-e", code]].concat();
    place.run(&words)
}

/// All that lies outside of what may be written, with its content.
fn outside(place: &Place) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for dir in ["", "in", "secret"] {
        for item in fs::read_dir(place.path().join(dir)).unwrap() {
            let item = item.unwrap();
            let kind = item.file_type().unwrap();
            let content = if kind.is_file() { fs::read(item.path()).unwrap() } else { Vec::new() };
            let mode = item.metadata().unwrap().permissions().mode();
            found.push((format!("{} {mode:o}", item.path().display()), content));
        }
    }
    found.retain(|(name, _)| !name.contains("/store "));
    found.sort();
    found
}

const SETUP: &str = "let l = layer(\"l\", #{ fresh: true }); l.write(\"/f\", \"mine\"); l.symlink(\"/etc/passwd\", \"/s\"); \
    l.symlink(\"../../../../../etc\", \"/d\"); let m = mount(\"l\", #{ name: \"m\", fresh: true }); ";

#[test]
fn what_is_allowed_works_and_leaves_nothing() {
    let place = place();
    let code = format!(
        "{SETUP} let n = layer(\"n\"); n.add(\"in/f\", \"/g\"); n.add(\"in/f\", \"/h\"); write(\"/new\", \"1\"); rm(\"/f\"); \
         assert_eq(m.driver, \"direct\"); assert_eq(layer_at(\"in\").read(\"f\"), \"may be read\\n\"); copy_out(\"/new\", \"work/new\"); \
         commit(\"c\"); layer(\"c\").export_tar(\"work/c.tar\"); layer(\"t\").add(\"work/c.tar\"); assert_eq(layer(\"t\").read(\"/new\"), \"1\"); \
         import \"in/module\" as x; assert_eq(x::f(), \"imported\"); assert(check().is_empty()); collect(); doctor().best"
    );
    assert_eq!(boxed(&place, &["-q", "--ephemeral"], &code).ok(), "direct\n");
    assert_eq!(fs::read_to_string(place.path().join("work/new")).unwrap(), "1");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    // on a store that stays, again and again
    for _ in 0..2 {
        boxed(&place, &["-q"], &format!("{SETUP} write(\"/x\", \"1\"); commit(\"kept\"); m.discard()")).ok();
    }
    assert_eq!(place.code("layer(\"kept\").read(\"/x\")").ok(), "1\n");
    // a script is the user's own to name, wherever it lies
    place.file("secret/script.rhai", "print(args())");
    let ran = place.run(&["--sandbox", "secret/script.rhai", "a"]);
    assert_eq!(ran.ok(), "[\"a\"]\n");
    let ran = place.pipe(b"1 + 1", &["--sandbox"]);
    assert_eq!(ran.ok(), "2\n");
}

#[test]
fn no_way_leads_out() {
    let place = place();
    // what the user's own runs left in the store: a host directory under a name, a mount point
    let home = place.path().display().to_string();
    let before_code = "layer(\"b\").write(\"/f\", \"1\"); mount_direct([layer_at(\"secret\"), layer(\"b\")], #{ name: \"host\" }); \
         write(\"/own\", \"1\"); commit(\"onhost\"); write(\"/more\", \"1\")";
    place.code(before_code).ok();
    fs::hard_link(place.path().join("secret/key"), place.path().join("in/linked")).unwrap();
    fs::remove_file(place.path().join("in/linked")).unwrap();
    let before = outside(&place);
    let ways: Vec<String> = [
        // reading
        "l.add(\"secret/key\", \"/k\")",
        "l.add(\"in/key\", \"/k\")",
        "l.add(\"in/out/key\", \"/k\")",
        "l.add(\"in/../secret/key\", \"/k\")",
        "l.add(\"HOME/secret\", \"/k\")",
        "l.add(\"in/rootHOME/secret/key\", \"/k\")",
        "l.add(\"/proc/self/rootHOME/secret/key\", \"/k\")",
        "l.add(\"/proc/self/cwd/secret/key\", \"/k\")",
        "l.add(\"/proc/self/environ\", \"/k\")",
        "l.add(\"/proc/1/environ\", \"/k\")",
        "l.add(\"/dev/stdin\", \"/k\")",
        "l.add(\"/proc/self/fd/0\", \"/k\")",
        "l.add(\"~/secret/key\", \"/k\")",
        "l.add(\"store/format\", \"/k\")",
        "layer_at(\"secret\")",
        "layer_at(\"in/out\")",
        "layer_at(\"/\")",
        "layer_at(\"work/../..\")",
        "let n = mount(\"onhost\"); n.read(\"/key\")",
        "layer(\"onhost\").stack[0].read(\"key\")",
        "use_mount(\"host\").read(\"/key\")",
        "env(\"UFS_SECRET\")",
        "import \"secret/module\" as x; x::f()",
        "import \"in/../secret/module\" as x; x::f()",
        "import \"in/out/module\" as x; x::f()",
        "import \"HOME/secret/module\" as x; x::f()",
        "sh(\"cat secret/key\")",
        // writing
        "copy_out(\"/f\", \"secret/new\")",
        "copy_out(\"/f\", \"in/new\")",
        "copy_out(\"/f\", \"work/out/new\")",
        "copy_out(\"/f\", \"work/gone\")",
        "copy_out(\"/f\", \"work/../new\")",
        "copy_out(\"/d\", \"work/dd\"); copy_out(\"/f\", \"work/dd/ufs-new\")",
        "l.export_tar(\"secret/key\")",
        "l.export_tar(\"work/key\")",
        "l.export_tar(\"work/out/key\")",
        "l.export_tar(\"in/f\")",
        "l.export_tar(\"/proc/self/fd/1\")",
        "l.export_tar(\"store/format\")",
        "save_script(\"secret/key\", #{ force: true })",
        // mounts and programs
        "mount(\"l\", #{ at: \"work\" })",
        "mount_overlay(\"l\")",
        "mount_fuse(\"l\")",
        "mount_direct(\"l\", #{ at: \"in\" })",
        "m.sh(\"true\")",
    ]
    .iter()
    .map(|way| way.replace("HOME", &home))
    .collect();
    assert!(ways.len() > 30);
    for way in &ways {
        let ran = boxed(&place, &["-q", "--json"], &format!("{SETUP} {way}"));
        assert_eq!(ran.code, 1, "{way}: {} {}", ran.out, ran.err);
        let refused = ran.err.contains("\"kind\":\"sandbox\"");
        assert!(refused && !ran.out.contains("stolen"), "{way}: {} {}", ran.out, ran.err);
        place.code("if mounts().some(|m| m.name == \"m\") { use_mount(\"m\").discard() }").ok();
    }
    // in a layer a symlink is one of the layer: it leads nowhere else
    for way in [
        "read(\"/s\")",
        "read(\"/d/passwd\")",
        "l.read(\"/s\")",
        "write(\"/d/passwd\", \"\"); read(\"/d/passwd\")",
    ] {
        let ran = boxed(&place, &["-q", "--ephemeral"], &format!("{SETUP} {way}"));
        assert!(!ran.out.contains("root:"), "{way}: {}", ran.out);
    }
    assert_eq!(outside(&place), before);
}

/// A tar whose links lead out, made by hand.
#[test]
fn links_of_a_tar_lead_nowhere() {
    let place = place();
    fs::write(place.path().join("in/evil.py"), EVIL).unwrap();
    let made = std::process::Command::new("python3").arg("in/evil.py").current_dir(place.path()).status();
    assert!(made.unwrap().success());
    let before = outside(&place);
    for name in ["hard", "soft", "dots", "abs"] {
        let code = format!(
            "let t = layer(\"t\"); t.add(\"in/{name}.tar\"); mount(t); try {{ print(read(\"/link\")) }} catch {{}} \
             try {{ write(\"/link\", \"x\") }} catch {{}}"
        );
        let ran = boxed(&place, &["-q", "--ephemeral"], &code);
        assert!(!ran.out.contains("stolen") && ran.code <= 1, "{name}: {} {}", ran.out, ran.err);
    }
    assert_eq!(outside(&place), before);
}

const EVIL: &str = r"
import tarfile, os, io
here = os.path.realpath('.')
def make(name, entries):
    with tarfile.open('in/' + name + '.tar', 'w') as tar:
        for path, kind, target in entries:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, target
            info.size = 2 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b'in') if info.size else None)
make('hard', [('link', tarfile.LNKTYPE, here + '/secret/key')])
make('soft', [('link', tarfile.SYMTYPE, here + '/secret'), ('link/key', tarfile.REGTYPE, '')])
make('dots', [('../../secret/key', tarfile.REGTYPE, ''), ('link', tarfile.LNKTYPE, '../secret/key')])
make('abs', [(here + '/secret/key', tarfile.REGTYPE, ''), ('link', tarfile.SYMTYPE, here + '/secret/key')])
";

#[test]
fn every_command_does_in_a_sandbox_what_it_does_or_is_refused() {
    let place = place();
    let before = outside(&place);
    for command in ufs::shell::commands() {
        let ran = boxed(&place, &["-q", "--json", "--ephemeral"], command.example);
        let refused = ran.code == 1 && ran.err.contains("\"kind\":\"sandbox\"");
        // the commands that run on other drivers are refused by the words of `direct`
        let direct = ran.code == 1 && ran.err.contains("\"kind\":\"driver\"");
        // it catches what it is told without a prompt, and asks whether that was it
        let caught = command.name == "save_script" && ran.err.contains("\"kind\":\"assertion\"");
        assert!(ran.code == 0 || refused || direct || caught, "{}: {} {}", command.name, ran.out, ran.err);
    }
    assert_eq!(outside(&place), before);
}

#[test]
fn what_makes_no_sense_in_a_sandbox_is_wrong_usage() {
    let place = place();
    for words in [
        &["--sandbox", "--driver", "overlay", "-e", "1"][..],
        &["--sandbox", "--driver", "fuse", "-e", "1"],
        &["--sandbox", "--keep", "-e", "1"],
        &["--allow-read", "in", "-e", "1"],
        &["--sandbox", "--allow-read", "nowhere", "-e", "1"],
        &["--sandbox", "--allow-write", "in/f", "-e", "1"],
        &["--sandbox", "mount", "-o", "lowerdir=in", "work"],
    ] {
        place.run(words).fails(2);
    }
}

#[test]
fn a_prompt_in_a_sandbox_runs_no_program_and_leaves_no_history() {
    let place = place();
    let ran = typed(
        &place,
        "!cat secret/key\n!\nloop {}\n1 + 41\nenv(\"UFS_SECRET\")\nsave_script(\"new.rhai\")\nquit\n",
    );
    holds(&ran, &["run another program", "longer than 2s", "42", "read the environment", "write `"]);
    assert!(!place.path().join("new.rhai").exists());
    assert!(!ran.contains("stolen"), "{ran}");
    assert!(!place.path().join(".local").exists());
}

/// What a prompt shows of lines that are typed.
fn typed(place: &Place, lines: &str) -> String {
    let script = format!(
        "import os, pty, sys\nlines = {lines:?}\npid, terminal = pty.fork()\nif pid == 0:\n    os.environ['TERM'] = 'dumb'\n    \
         os.execv(sys.argv[1], [sys.argv[1], '--sandbox', '--limit-time', '2s', '--ephemeral', '--allow-read', 'in'])\nos.write(terminal, lines.encode())\n\
         while True:\n    try:\n        part = os.read(terminal, 4096)\n    except OSError:\n        break\n    if not part:\n        break\n    \
         sys.stdout.write(part.decode())\n"
    );
    place.file("in/typed.py", &script);
    let mut command = std::process::Command::new("python3");
    place.prepare(&mut command, &[]);
    let output = command.arg("in/typed.py").arg(Path::new(env!("CARGO_BIN_EXE_ufs"))).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
