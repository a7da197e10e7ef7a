//! Stores that are not as they should be: each a clear error, and nothing lost.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use crate::program::{Place, Ran, holds, overlay_works};

/// Starts code on a throw-away store in `place`, and waits until it prints a line.
fn ephemeral(place: &Place, code: &str) -> Child {
    let mut child = place.command(&["--ephemeral", "-e", code]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

fn throw_away(place: &Place) -> Vec<PathBuf> {
    let items = std::fs::read_dir(place.path()).unwrap().map(|item| item.unwrap().path());
    items.filter(|path| path.file_name().unwrap().as_encoded_bytes().starts_with(b"ufs-")).collect()
}

#[test]
fn a_throw_away_store_is_its_owners_alone_and_goes_after_a_kill() {
    let place = Place::new();
    let code = "layer(\"a\").write(\"/f\", \"1\"); mount_direct(\"a\"); write(\"/g\", \"2\"); print(\"ready\"); sleep(600)";
    let mut killed = ephemeral(&place, code);
    let [store] = &throw_away(&place)[..] else { panic!("one store") };
    assert_eq!(std::fs::metadata(store).unwrap().permissions().mode() & 0o7777, 0o700);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // what only looks like one stays
    let others = ["ufs-mine", "ufs-open", "ufs-link"].map(|name| place.path().join(name));
    std::fs::create_dir(&others[0]).unwrap();
    std::fs::create_dir(&others[1]).unwrap();
    std::fs::write(others[1].join("ephemeral"), "").unwrap();
    std::fs::set_permissions(&others[1], Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(store, &others[2]).unwrap();
    let mut living = ephemeral(&place, code);
    assert!(!store.exists());
    let mut left = throw_away(&place);
    left.retain(|path| !others.contains(path));
    let [live] = &left[..] else { panic!("one store of a living process: {left:?}") };
    let run = |code| place.command(&["--ephemeral", "-e", code]).spawn().unwrap();
    Ran::of(run("layers()")).ok();
    assert!(live.exists() && others.iter().all(|path| path.symlink_metadata().is_ok()));
    living.kill().unwrap();
    living.wait().unwrap();
    Ran::of(run("layers()")).ok();
    assert!(!live.exists());
}

#[test]
fn a_draft_that_another_process_uses_is_left_out_of_the_list_with_a_note() {
    let place = Place::new();
    let code = "layer(\"a\").seal(); layer(\"d\").write(\"/f\", \"1\"); print(\"ready\"); sleep(600)";
    let mut other = place.command(&["-e", code]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let ran = place.code("layers().map(|l| l.name)");
    holds(&ran.err, &["left out the draft `d`", &format!("in use by process {}", other.id())]);
    assert_eq!(ran.ok(), "[\"a\"]\n");
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(place.code("layers().map(|l| l.name)").ok(), "[\"d\", \"a\"]\n");
}

#[test]
fn a_changed_upper_stays_however_few_files_the_next_start_may_open() {
    let place = Place::new();
    let code = "layer(\"a\").write(\"/f\", \"1\"); mount_direct(\"a\", #{ name: \"m\" }); write(\"/g\", \"2\"); print(\"ready\"); sleep(600)";
    let mut killed = place.command(&["-e", code]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(killed.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let kept = place.store().join("mounts/m/up/tree/g");
    let mut all_worked = false;
    for files in 6..60 {
        let program = place.command(&["-e", "mounts().len()"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n $0 && exec \"$@\"", &files.to_string()]);
        limited.arg(program.get_program()).args(program.get_args());
        limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = limited.output().unwrap();
        assert!(kept.exists(), "{files}: {}", String::from_utf8_lossy(&output.stderr));
        all_worked = output.status.success() && output.stdout == b"1\n";
        if all_worked && !place.store().join("mounts/m/owner").exists() {
            break;
        }
    }
    assert!(all_worked);
}

#[test]
fn what_was_written_to_a_bare_mount_point_is_moved_aside() {
    let place = Place::new();
    let code =
        "layer(\"a\").write(\"/f\", \"1\"); mount_direct(\"a\", #{ name: \"m\" }); write(\"/g\", \"2\"); ()";
    place.code(code).ok();
    let mount = place.store().join("mounts/m");
    std::fs::write(mount.join("merged/late"), "late").unwrap();
    assert_eq!(place.code("use_mount(\"m\").read(\"/g\")").ok(), "2\n");
    assert_eq!(std::fs::read(mount.join("strays-1/late")).unwrap(), b"late");
    std::fs::remove_dir(mount.join("merged")).unwrap();
    assert_eq!(place.code("use_mount(\"m\").read(\"/g\")").ok(), "2\n");
}

fn with_a_layer() -> Place {
    let place = Place::new();
    place.code("layer(\"a\").write(\"/f\", \"1\"); layer(\"a\").seal(); ()").ok();
    place
}

fn layer_dir(place: &Place) -> PathBuf {
    std::fs::read_dir(place.store().join("layers/sha256")).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let place = Place::new();
    std::fs::create_dir(place.store()).unwrap();
    std::fs::write(place.store().join("letter"), "dear").unwrap();
    holds(&place.code("layers()").fails(1), &["is neither a store of ufs nor an empty directory", "--store"]);
    assert_eq!(std::fs::read_dir(place.store()).unwrap().count(), 1);
    place.file("file", "x");
    holds(&place.run(&["--store", "file", "-e", "layers()"]).fails(1), &["is neither a store"]);
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let place = with_a_layer();
    let format = place.store().join("format");
    let text = "{\"format\":7,\"whiteouts\":\"device\",\"features\":[]}";
    std::fs::write(&format, text).unwrap();
    holds(&place.code("layers()").fails(1), &["has format 7", "knows up to 1", "hint"]);
    assert_eq!(std::fs::read_to_string(&format).unwrap(), text);
}

#[test]
fn a_damaged_format_ends_with_code_4() {
    for text in ["", "zz", "{}", "[1]"] {
        let place = with_a_layer();
        std::fs::write(place.store().join("format"), text).unwrap();
        holds(&place.code("layers()").fails(4), &["format is damaged"]);
    }
}

#[test]
fn a_damaged_index_is_found_and_ends_with_code_4() {
    let place = with_a_layer();
    let index = layer_dir(&place).join("index");
    let mut bytes = std::fs::read(&index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&index, bytes).unwrap();
    holds(&place.code("mount_direct(\"a\")").fails(4), &["index is damaged", "hint: `check()`"]);
    holds(&place.code("layer(\"a\").entries().count()").fails(4), &["index is damaged"]);
    // what stands in its record can be listed all the same
    holds(&place.code("layers()").ok(), &["1 B"]);
    holds(&place.code("check()").ok(), &["index is damaged"]);
}

#[test]
fn a_layer_that_is_gone_is_told_by_the_name_that_needs_it() {
    let place = with_a_layer();
    std::fs::remove_dir_all(layer_dir(&place)).unwrap();
    holds(&place.code("mount_direct(\"a\")").fails(4), &["it is gone, although the stack of `a` needs it"]);
    assert_ne!(place.code("check()").ok(), "[]\n");
}

#[test]
fn a_name_that_cannot_be_read_is_told_and_the_others_work() {
    let place = with_a_layer();
    place.code("layer(\"b\").seal(); ()").ok();
    std::fs::write(place.store().join("names/a"), "{").unwrap();
    let ran = place.code("layers().map(|l| l.name)");
    holds(&ran.err, &["a name cannot be read", "names/a is damaged"]);
    assert_eq!(ran.ok(), "[\"b\"]\n");
    holds(&place.code("mount_direct(\"a\")").fails(4), &["names/a is damaged"]);
}

#[test]
fn changed_content_is_found_by_check() {
    let place = with_a_layer();
    std::fs::write(layer_dir(&place).join("tree/f"), "2").unwrap();
    assert_eq!(place.code("check()").ok(), "[]\n");
    holds(&place.code("check(#{ deep: true })").ok(), &["tree is damaged: /f is not as the index says"]);
}

#[test]
fn a_missing_upper_is_told_and_its_mount_can_be_dropped() {
    let place = Place::new();
    place.code("mount_direct(layer(\"b\"), #{ name: \"web\" }); write(\"/a\", \"1\");").ok();
    std::fs::remove_dir_all(place.store().join("mounts/web/up/tree")).unwrap();
    holds(
        &place.code("use_mount(\"web\")").fails(1),
        &["the upper of the mount `web` is missing", "discard()"],
    );
    place.code("for m in mounts() { m.discard(); } assert_eq(mounts(), []);").ok();
}

#[test]
fn a_mount_whose_records_do_not_read_back_stops_nothing_and_keeps_its_files() {
    for (record, text) in [
        ("mount.json", Some("")),
        ("mount.json", Some("{\"v")),
        ("mount.json", None),
        ("commit.json", Some("")),
    ] {
        let place = with_a_layer();
        let made = "mount_direct(\"a\", #{ name: \"m\" }); write(\"/g\", \"2\"); mount_direct(\"a\", #{ name: \"ok\" }); \
                    write(\"/h\", \"3\"); layer(\"old\").write(\"/o\", \"4\"); layer(\"old\").seal(); remove(\"old\");";
        place.code(made).ok();
        let path = place.store().join("mounts/m").join(record);
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert_eq!(place.code("mounts().map(|m| m.name)").ok(), "[\"m\", \"ok\"]\n");
        place.code("mounts()").ok();
        place.run(&["--json", "-e", "mounts()"]).ok();
        holds(&place.code("check()").ok(), &["mounts/m"]);
        let told = place.code("use_mount(\"m\")").fails(4);
        holds(&told, &["the mount `m` cannot be mounted again", "mounts/m", "hint", "up/tree", "discard()"]);
        assert_eq!(place.code("use_mount(\"ok\").read(\"/h\")").ok(), "3\n");
        let ran = place.code("collect().layers");
        holds(&ran.err, &["nothing is freed", "the mount `m`", "discard()"]);
        assert_eq!(ran.ok(), "0\n");
        let ran = place.code("mounts().find(|m| m.name == \"m\").discard()");
        let kept = place.store().join("mounts/.damaged-m-1");
        holds(&ran.err, &["its files are kept", &kept.display().to_string()]);
        ran.ok();
        assert_eq!(std::fs::read(kept.join("up/tree/g")).unwrap(), b"2");
        assert_eq!(place.code("collect().layers").ok(), "1\n");
        place.code("mount_direct(\"a\", #{ name: \"m\" }); write(\"/g\", \"5\");").ok();
        std::fs::write(place.store().join("mounts/m/mount.json"), "").unwrap();
        let ran = place.code("mount_direct(\"a\", #{ name: \"m\", fresh: true }); exists(\"/g\")");
        holds(&ran.err, &["mounts/.damaged-m-2"]);
        assert!(!ran.err.contains("dropped"), "{}", ran.err);
        assert_eq!(ran.ok(), "false\n");
        assert_eq!(place.code("check()").ok(), "[]\n");
    }
}

#[test]
fn a_draft_whose_record_does_not_read_back_goes_on_without_it() {
    for text in ["", "{\"version\":1,"] {
        let place = Place::new();
        place.code("layer(\"n\").write(\"/x\", \"1\"); ()").ok();
        let draft = place.store().join("drafts/n");
        std::fs::write(draft.join("draft.json"), text).unwrap();
        holds(&place.code("check()").ok(), &["draft.json is damaged", "drafts/n"]);
        let ran = place.code("layer(\"n\").write(\"/y\", \"2\"); layer(\"n\").read(\"/x\")");
        holds(&ran.err, &["the record of the draft `n` was damaged", "draft.json.damaged", "owners"]);
        assert_eq!(ran.ok(), "1\n");
        assert_eq!(std::fs::read(draft.join("draft.json.damaged")).unwrap(), text.as_bytes());
        let ran = place.code("layer(\"n\").seal(); check().len()");
        assert_eq!(ran.err, "");
        assert_eq!(ran.ok(), "0\n");
        assert!(!layer_dir(&place).join("draft.json.damaged").exists());
    }
    // what a later version wrote is not damaged
    let place = Place::new();
    place.code("layer(\"n\").write(\"/x\", \"1\"); ()").ok();
    let record = place.store().join("drafts/n/draft.json");
    std::fs::write(&record, "{\"version\":7}").unwrap();
    holds(&place.code("layer(\"n\").seal()").fails(1), &["made by a later ufs"]);
    holds(&place.code("layers()").ok(), &["layer(\"n\"): ", "made by a later ufs"]);
    assert_eq!(std::fs::read(&record).unwrap(), b"{\"version\":7}");
}

#[test]
fn a_store_that_cannot_be_written_is_told() {
    let err = Place::new().run(&["--store", "/proc/ufs", "-e", "layers()"]).fails(1);
    holds(&err, &["/proc/ufs"]);
    assert!(!err.contains("os error"), "{err}");
}

#[test]
fn a_mount_in_use_by_another_process_is_refused_with_its_number() {
    let place = Place::new();
    place.code("layer(\"b\").seal(); ()").ok();
    let code = "mount_direct(\"b\", #{ name: \"web\" }); write(\"/a\", \"1\"); print(\"ready\"); sleep(600)";
    let mut holder = place.command(&["-e", code]).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut line)
        .unwrap();
    let pid = holder.id();
    for code in
        ["use_mount(\"web\")", "mounts()[0].discard()", "mounts()[0].commit(\"c\")", "mounts()[0].reset()"]
    {
        holds(&place.code(code).fails(1), &[&format!("the mount `web` is in use by process {pid}")]);
    }
    for options in ["", ", fresh: true"] {
        let err = place.code(&format!("mount_direct(\"b\", #{{ name: \"web\"{options} }})")).fails(1);
        holds(
            &err,
            &[&format!("a mount `web` exists already, in use by process {pid}"), "take another name"],
        );
        // nobody is told how to drop what another process uses
        assert!(!err.contains("discard"), "{err}");
    }
    holds(&place.code("mounts()").ok(), &[&format!("process {pid}, changed")]);
    assert_eq!(place.code("mounts()[0].used_by").ok(), format!("{pid}\n"));
    assert_eq!(place.code("mount_direct(\"b\").name").ok(), "m1\n");
    crate::endings::send(pid, "TERM");
    holder.wait().unwrap();
    assert_eq!(place.code("use_mount(\"web\").read(\"/a\")").ok(), "1\n");
}

/// Runs the same code in several processes at once, and gives what each printed.
fn at_once(place: &Place, count: usize, code: &str) -> Vec<String> {
    let runs: Vec<Child> = (0..count).map(|_| place.command(&["-q", "-e", code]).spawn().unwrap()).collect();
    runs.into_iter().map(|run| Ran::of(run).ok()).collect()
}

#[test]
fn mounts_without_a_name_get_one_of_their_own_in_any_number_of_processes() {
    let place = Place::new();
    place.code("layer(\"b\").seal(); ()").ok();
    at_once(
        &place,
        4,
        "for i in 0..40 { let m = mount_direct(\"b\"); m.write(\"/a\", \"1\"); m.discard(); }",
    );
    assert_eq!(place.code("mounts().len()").ok(), "0\n");
    // without changes nothing stays, and what stays is in the order of its numbers
    at_once(&place, 4, "for i in 0..5 { mount_direct(\"b\"); }");
    assert_eq!(place.code("mounts().len()").ok(), "0\n");
    at_once(&place, 4, "for i in 0..5 { mount_direct(\"b\").write(\"/a\", \"1\"); }");
    place.code("let n = 0; for m in mounts() { n += 1; assert_eq(m.name, `m${n}`); } assert_eq(n, 20);").ok();
    holds(&place.code("mounts()").ok(), &["since", "uncommitted"]);
}

#[test]
fn a_commit_gives_the_layer_that_it_made_whoever_else_takes_its_name() {
    let place = Place::new();
    place.code("layer(\"b\").seal(); ()").ok();
    let code = "let m = mount_direct(\"b\"); let mine = 0; for i in 0..40 {
            let text = `${m.name} ${i}`; m.write(\"/f\", text); let l = m.commit(\"same\");
            assert_eq(l.read(\"/f\"), text); assert_eq(l.stack.len(), i + 2); if l.name == \"same\" { mine += 1; }
            if i % 10 == 0 { assert_eq(check(), []); }
        } m.discard(); print(mine)";
    let named = at_once(&place, 3, code);
    let named: usize = named.iter().map(|count| count.trim().parse::<usize>().unwrap()).sum();
    assert!(named > 0);
    place.code("assert(check(#{ deep: true }).is_empty()); collect(); layer(\"same\").stack.len()").ok();
}

/// Runs a shell script in a user and mount namespace (or as root in a mount namespace), where it may mount a tmpfs.
fn where_a_tmpfs_can_be_mounted(place: &Place, script: &str) -> std::process::Output {
    let mut command = Command::new("unshare");
    place.prepare(&mut command, &[]);
    command.args(["--map-root-user", "--mount", "sh", "-ec", script]).env("UFS", env!("CARGO_BIN_EXE_ufs"));
    command.output().unwrap()
}

#[test]
fn a_store_on_a_read_only_disk_is_read_shown_exported_and_mounted() {
    let place = Place::new();
    let script = r#"
        mkdir disk; mount -t tmpfs tmpfs disk
        ufs() { "$UFS" --store disk/store -e "$1"; }
        ufs 'layer("base").write("/a", "1"); mount_direct("base", #{ name: "m" }); write("/b", "2"); commit("app"); write("/c", "3");
             layer("draft").write("/d", "4"); ()'
        mount -o remount,bind,ro disk
        ufs 'assert_eq(layers().len(), 3); assert_eq(layer("app").read("/b"), "2"); assert_eq(layer("app").stack.len(), 2);
             assert_eq(layer("draft").read("/d"), "4"); show("app"); tree("app"); history("app"); diff("base", "app");
             check(); layer("app").export_tar("app.tar"); layer("app").entries().len();
             let m = mount_direct("app", #{ read_only: true }); assert_eq(m.ls(), ["a", "b"]); assert_eq(mounts().len(), 1); explain("/b");
             for make in [|| mount_overlay("app", #{ read_only: true }), || mount_overlay("base", #{ read_only: true }), || mount_fuse("app", #{ read_only: true })] {
                 let m = (); try { m = make.call(); } catch (e) { print(`${e}`); }
                 if m != () { assert_eq(m.read("/a"), "1"); sh("cat a"); m.unmount(); m.mount(); m.discard(); }
             }
             for change in [|| layer("n").write("/x", "1"), || layer("app", #{ fresh: true }), || remove("app"), || remove("draft"),
                            || collect(), || mount_direct("app"), || layer("draft").seal(), || squash(["base", "app"], "flat"),
                            || layer("draft").write("/d", "5")] {
                 let k = "done"; try { change.call(); } catch (e) { k = kind(e); } assert_eq(k, "read_only");
             }'
        test -s app.tar && test -z "$(ls -d ufs-* 2>/dev/null)"
        "$UFS" --store disk/none -e 'layers()' && exit 9
        mount -o remount,bind,rw disk
        ufs 'assert_eq(use_mount("m").read("/c"), "3"); layer("draft").seal(); assert(check(#{ deep: true }).is_empty());'
    "#;
    let output = where_a_tmpfs_can_be_mounted(&place, script);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{err}", String::from_utf8_lossy(&output.stdout));
    holds(
        &err,
        &["lies on a read-only file system: it can be read, not changed", "disk/none cannot be written"],
    );
}

#[test]
fn a_full_disk_loses_nothing_and_the_store_works_on_once_there_is_room() {
    if !overlay_works() {
        return;
    }
    let place = Place::new();
    let script = r#"
        mkdir disk; mount -t tmpfs -o size=2m tmpfs disk
        ufs() { "$UFS" --store disk/store -e "$1"; }
        ufs 'let l = layer("base"); l.write("/a", "1"); l.seal(); ()'
        for make in mount_direct mount_overlay; do
            ufs "$make(\"base\", #{ name: \"$make\" }); write(\"/kept\", \"1\"); let d = blob(200000, 65);
                 let why = (); for i in 0..20 { try { write(\`/f\${i}\`, d); } catch (e) { why = e; } }
                 assert_eq(kind(why), \"no_space\"); assert_eq(why.errno, \"ENOSPC\"); assert(why.hint != ());"
            ufs "let m = use_mount(\"$make\"); assert_eq(m.read(\"/kept\"), \"1\"); for p in m.find(\"f*\") { m.rm(p); }
                 m.commit(\"$make\"); assert(check(#{ deep: true }).is_empty()); assert_eq(layer(\"$make\").read(\"/kept\"), \"1\");"
        done
        head -c 4m /dev/zero > disk/filler || true
        ufs 'let k = "nothing"; try { layer("new").write("/a", "1"); layer("new").seal(); } catch (e) { k = kind(e); } assert_eq(k, "no_space");'
        rm disk/filler
        ufs 'layer("new").write("/b", "1"); layer("new").seal(); assert(check(#{ deep: true }).is_empty());'
        mount -o remount,bind,ro disk
        ufs 'remove("new")' && exit 9
        test $? = 1
    "#;
    let output = where_a_tmpfs_can_be_mounted(&place, script);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{err}", String::from_utf8_lossy(&output.stdout));
    holds(&err, &["the store", "cannot be written: Read-only file system", "--ephemeral"]);
}

#[test]
fn a_store_without_syncs_says_so_until_it_is_synced_and_is_refused_after_another_boot() {
    let place = Place::new();
    let mark = place.store().join("unsynced");
    let unsynced = |code| place.run(&["--sync=off", "-e", code]);
    unsynced("layer(\"a\").write(\"/f\", \"1\"); layer(\"a\").seal(); ()").ok();
    let first = std::fs::read_to_string(&mark).unwrap();
    unsynced("layer(\"b\").write(\"/f\", \"2\"); layer(\"b\").seal(); ()").ok();
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), first);

    // as long as somebody writes without syncs it stays
    let code = "layer(\"c\"); print(\"ready\"); sleep(600)";
    let mut living = place.command(&["--sync=off", "-e", code]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(living.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    place.code("layer(\"a\").read(\"/f\")").ok();
    assert!(mark.exists());
    living.kill().unwrap();
    living.wait().unwrap();
    assert_eq!(place.code("layer(\"a\").read(\"/f\")").ok(), "1\n");
    assert!(!mark.exists());

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for doubt in [first.replace(boot.trim(), "earlier"), String::new()] {
        std::fs::write(&mark, &doubt).unwrap();
        let err = place.code("layers()").fails(1);
        holds(&err, &["written with `--sync=off` when the machine stopped", "hint", "unsynced`"]);
        let ran = unsynced("layer(\"a\").read(\"/f\")");
        holds(&ran.err, &["any part of it may be damaged"]);
        assert_eq!(ran.ok(), "1\n");
        assert_eq!(std::fs::read_to_string(&mark).unwrap(), doubt);
    }
    std::fs::remove_file(&mark).unwrap();
    assert_eq!(place.code("layer(\"b\").read(\"/f\")").ok(), "2\n");
}
