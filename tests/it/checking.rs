//! `check` finds what is damaged and changes nothing; `repair` puts right what can be, and deletes nothing.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::program::{Place, holds};
use crate::terminal::{CTRL_D, Terminal};

const MAKE: &str = "let b = layer(\"base\"); b.write(\"/d/f\", \"hello\"); b.symlink(\"d\", \"/s\"); b.mkdir(\"/e\"); b.seal();
    mount_direct(b, #{ name: \"m\" }); write(\"/n\", \"1\"); rm(\"/s\"); commit(\"top\", \"words\"); write(\"/u\", \"2\");
    layer(\"draft\").write(\"/q\", \"3\"); layer(\"draft\").symlink(\"q\", \"/l\"); ()";

fn made() -> Place {
    let place = Place::new();
    place.code(MAKE).ok();
    place
}

fn layer_of(place: &Place, name: &str) -> PathBuf {
    let id = place.code(&format!("layer(\"{name}\").id")).ok();
    place.store().join("layers/sha256").join(id.trim().trim_start_matches("sha256:"))
}

/// Changes a text in a file, whose length stays.
fn change(path: &Path, from: &str, to: &str) {
    let bytes = fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut bad = bytes;
    bad[at..at + from.len()].copy_from_slice(to.as_bytes());
    fs::write(path, bad).unwrap();
}

/// The kinds that a deep check finds, with what each is about.
fn kinds(place: &Place) -> String {
    place
        .code("check(#{ deep: true }).map(|f| `${f.kind} ${f.of}`).reduce(|all, f| `${all}${f};`, \"\")")
        .ok()
}

/// What is said of a store that is damaged.
fn damaged(place: &Place, words: &[&str]) -> String {
    let ran = place.run(words);
    assert_eq!(ran.code, 4, "{}{}", ran.out, ran.err);
    ran.out
}

/// All names in a store with what can be told of each, for a look whether anything changed.
fn state(dir: &Path) -> Vec<(PathBuf, u32, i64, i64, u64)> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for item in fs::read_dir(&dir).unwrap() {
            let path = item.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            found.push((path.clone(), meta.mode(), meta.ctime(), meta.ctime_nsec(), meta.ino()));
            if meta.is_dir() {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_check_from_the_command_line_changes_nothing_at_all() {
    let place = made();
    fs::write(place.store().join("names/top"), "{").unwrap();
    fs::set_permissions(layer_of(&place, "base").join("tree/d/f"), Permissions::from_mode(0o000)).unwrap();
    let before = state(&place.store());
    for words in
        [&["check"][..], &["check", "--deep"], &["--json", "check"], &["--no-userns", "check", "--deep"]]
    {
        holds(&damaged(&place, words), &["top"]);
        assert_eq!(state(&place.store()), before, "{words:?}");
    }
    let place = made();
    assert_eq!(place.run(&["check", "--deep"]).ok(), "[]\n");
    assert_eq!(place.run(&["--json", "repair"]).ok(), "[]\n");
}

#[test]
fn a_damaged_format_is_told_by_all_and_written_anew_by_a_repair() {
    for text in ["", "{", "{\"format\":1}", "{\"format\":1,\"whiteouts\":\"devica\",\"features\":[]}"] {
        // also where an earlier repair was ended before it was done
        for ended in [false, true] {
            let place = made();
            let at = place.store().join("format");
            let whole = fs::read_to_string(&at).unwrap();
            fs::write(&at, text).unwrap();
            if ended {
                fs::create_dir(place.store().join("lost+found")).unwrap();
                fs::hard_link(&at, place.store().join("lost+found/record-format-1")).unwrap();
            }
            for words in [&["-e", "layers()"][..], &["-e", "mount_direct(\"base\")"], &["gc"]] {
                let ran = place.run(words);
                assert_ne!(ran.code, 0, "{words:?}: {}", ran.err);
                holds(&ran.err, &["format is damaged", "`repair()` what can be done"]);
            }
            holds(&damaged(&place, &["check"]), &["format", "repair: writes it anew"]);
            holds(&damaged(&place, &["repair"]), &["format", "repair: writes it anew"]);
            assert_eq!(fs::read_to_string(&at).unwrap(), text);
            holds(&place.run(&["repair", "--yes"]).ok(), &["done: written anew"]);
            assert_eq!(fs::read_to_string(&at).unwrap(), whole, "{text}");
            assert_eq!(place.run(&["check", "--deep"]).ok(), "[]\n");
            assert_eq!(
                place.code("use_mount(\"m\").read(\"/u\") + layer(\"top\").read(\"/n\")").ok(),
                "21\n"
            );
        }
    }
    // what is no store is made none
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    fs::write(place.store().join("format"), "").unwrap();
    assert_eq!(place.run(&["repair", "--yes"]).code, 1);
    assert_eq!(fs::read(place.store().join("format")).unwrap(), b"");
}

#[test]
fn a_changed_byte_of_any_record_is_found_and_what_can_be_verified_is_kept() {
    for (file, from, to, kind) in [
        ("names/top", "words", "wordz", "record name `top`;\n"),
        ("mounts/m/mount.json", "direct", "dirept", "record mount `m`;\n"),
        ("names/base", "\"chain_id\":\"s", "\"chain_id\":\"S", "record name `base`;\n"),
    ] {
        let place = made();
        change(&place.store().join(file), from, to);
        assert_eq!(kinds(&place), kind);
        holds(&damaged(&place, &["repair"]), &["is damaged", "repair:"]);
        holds(&place.run(&["repair", "--yes"]).ok(), &["done: "]);
        assert_eq!(kinds(&place), "\n", "{file}");
        assert_eq!(place.code("repair(true)").ok(), "[]\n");
        assert_eq!(place.code("use_mount(\"m\").read(\"/u\") + layer(\"top\").read(\"/n\")").ok(), "21\n");
    }
}

#[test]
fn a_changed_digit_of_a_diff_id_is_found_also_in_records_without_a_checksum() {
    for with_checksum in [true, false] {
        let place = made();
        let meta = layer_of(&place, "base").join("meta.json");
        let text = fs::read_to_string(&meta).unwrap();
        let at = text.find("diff_id").unwrap() + 20;
        let mut bad = text.clone().into_bytes();
        bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
        let mut bad = String::from_utf8(bad).unwrap();
        if !with_checksum {
            bad.truncate(bad.find(",\"check\"").unwrap());
            bad += "}\n";
        }
        fs::write(&meta, bad).unwrap();
        holds(&kinds(&place), &["summary layer"]);
        holds(&place.code("repair(true)").ok(), &["done: written anew from the index"]);
        assert_eq!(kinds(&place), "\n");
        assert_eq!(fs::read_to_string(&meta).unwrap(), text);
    }
}

#[test]
fn an_index_is_written_anew_from_files_that_give_the_id() {
    for name in ["base", "top"] {
        let place = made();
        let index = layer_of(&place, name).join("index");
        let whole = fs::read(&index).unwrap();
        fs::write(&index, &whole[..whole.len() / 2]).unwrap();
        holds(&kinds(&place), &["index layer"]);
        holds(&place.code("repair(true)").ok(), &["done: written anew: its files give the ID"]);
        assert_eq!(kinds(&place), "\n");
        assert_eq!(fs::read(&index).unwrap(), whole, "{name}");
    }
}

#[test]
fn what_a_layer_has_beside_its_content_is_set_right() {
    let place = made();
    let tree = layer_of(&place, "base").join("tree");
    fs::set_permissions(tree.join("d/f"), Permissions::from_mode(0o600)).unwrap();
    fs::write(tree.join("e/planted"), "x").unwrap();
    fs::remove_file(tree.join("s")).unwrap();
    symlink("elsewhere", tree.join("s")).unwrap();
    holds(&kinds(&place), &["content layer"]);
    holds(&place.code("repair(true)").ok(), &["done: set right", "lost+found"]);
    assert_eq!(kinds(&place), "\n");
    assert_eq!(fs::read_link(tree.join("s")).unwrap(), Path::new("d"));
    assert_eq!(fs::read_dir(place.store().join("lost+found")).unwrap().count(), 2);
}

#[test]
fn a_layer_with_wrong_content_goes_aside_and_comes_back_once_its_content_is_right() {
    let place = made();
    let dir = layer_of(&place, "top");
    fs::write(dir.join("tree/n"), "2").unwrap();
    holds(
        &place.code("repair(true)").ok(),
        &["done: the layer is now", "`lost+found/layer-", "`top`", "mount `m`"],
    );
    assert!(!dir.exists());
    holds(
        &place.code("check()").ok(),
        &["missing", "name `top`", "mount `m`", "make or load the same layer again"],
    );
    // mended by hand it can be put back
    let aside = fs::read_dir(place.store().join("lost+found")).unwrap().next().unwrap().unwrap().path();
    fs::write(aside.join("tree/n"), "1").unwrap();
    fs::rename(aside, &dir).unwrap();
    // but for its time
    holds(&place.code("repair(true)").ok(), &["done: set right: its files give the ID"]);
    assert_eq!(kinds(&place), "\n");
    assert_eq!(place.code("layer(\"top\").read(\"/n\")").ok(), "1\n");
}

#[test]
fn a_name_that_says_nothing_any_more_leaves_its_layers_a_name() {
    let place = Place::new();
    place.code("layer(\"a\").write(\"/f\", \"1\"); layer(\"a\").seal(); ()").ok();
    fs::write(place.store().join("names/a"), "").unwrap();
    holds(&place.code("repair(true)").ok(), &["moved to `lost+found/name-a-1`", "`recovered/"]);
    assert_eq!(place.code("layers().len()").ok(), "1\n");
    assert_eq!(place.code("collect().layers").ok(), "0\n");
    assert_eq!(place.code("layers()[0].read(\"/f\")").ok(), "1\n");
    // a record of which only the end is damaged still says which layers it means
    place.code("layer(\"b\").write(\"/g\", \"2\"); layer(\"b\").seal(); ()").ok();
    let path = place.store().join("names/b");
    let text = fs::read(&path).unwrap();
    let end = text.windows(9).position(|window| window == b"\"created\"").unwrap();
    fs::write(&path, &text[..end]).unwrap();
    holds(&place.code("repair(true)").ok(), &["its layers are right, its message and time are lost"]);
    assert_eq!(place.code("layer(\"b\").read(\"/g\")").ok(), "2\n");
}

#[test]
fn a_mount_that_cannot_be_mounted_again_is_moved_with_its_files() {
    let place = made();
    fs::write(place.store().join("mounts/m/mount.json"), "").unwrap();
    holds(&place.code("repair(true)").ok(), &["the mount with its files is now"]);
    assert_eq!(fs::read(place.store().join("mounts/.damaged-m-1/up/tree/u")).unwrap(), b"2");
    assert_eq!(kinds(&place), "\n");
}

#[test]
fn strays_and_rights_of_others_are_found_everywhere() {
    let place = made();
    let store = place.store();
    for dir in [
        "",
        "layers",
        "layers/sha256",
        "names",
        "drafts",
        "drafts/draft",
        "mounts",
        "mounts/m",
        "mounts/m/up",
    ] {
        fs::write(store.join(dir).join(".planted"), "x").unwrap();
        assert_eq!(kinds(&place), "stray the store;\n", "{dir}");
        holds(&place.code("repair(true)").ok(), &["done: moved to `lost+found/stray-.planted-"]);
        assert_eq!(kinds(&place), "\n", "{dir}");
    }
    fs::set_permissions(store.join("names"), Permissions::from_mode(0o777)).unwrap();
    assert_eq!(kinds(&place), "rights the store;\n");
    place.code("repair(true)").ok();
    assert_eq!(fs::metadata(store.join("names")).unwrap().mode() & 0o777, 0o755);
    holds(&place.code("check()").err, &["holds 9 things that repairs moved aside"]);
}

#[test]
fn intents_that_do_not_read_back_are_moved_aside() {
    // no JSON, and JSON that is no intent
    for intent in ["{", "{\"version\":1}"] {
        let place = made();
        fs::write(place.store().join("drafts/.seal-gone"), "").unwrap();
        fs::write(place.store().join("mounts/m/commit.json"), intent).unwrap();
        holds(&damaged(&place, &["check"]), &["draft `gone`", "mount `m`"]);
        place.code("repair(true)").ok();
        assert_eq!(kinds(&place), "\n", "{intent}");
        assert_eq!(place.code("use_mount(\"m\").read(\"/u\")").ok(), "2\n", "{intent}");
    }
}

#[test]
fn the_prompt_lists_what_a_repair_would_do_and_asks() {
    let place = made();
    std::fs::write(place.store().join("layers/other"), "x").unwrap();
    let mut terminal = Terminal::start(&place, &[]);
    for no in ["\r", "n\r", "yess\r"] {
        terminal.line("repair(); print(\"went on\")").shows("go on? [y/N]").keys(no);
        let answer = terminal.answer();
        holds(
            &answer,
            &["layers/other", "repair: moves it aside", "does what stands behind", "nothing was changed"],
        );
        assert!(!answer.contains("went on"), "{answer}");
        assert!(place.store().join("layers/other").exists());
    }
    terminal.line("repair()").shows("go on? [y/N]").keys("y\r");
    holds(&terminal.answer(), &["done: moved to `lost+found/stray-other-1`"]);
    assert!(!place.store().join("layers/other").exists());
    // nothing to do, and who is sure
    assert!(terminal.ask("repair().len()").ends_with("\n0"));
    std::fs::write(place.store().join("layers/again"), "x").unwrap();
    holds(&terminal.ask("repair(true)"), &["lost+found/stray-again-1"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_layer_that_another_program_uses_is_not_repaired() {
    for held in ["let l = layer(\"base\");", "mount_direct(\"base\", #{ name: \"other\" });"] {
        let place = made();
        let mut user =
            place.command(&["-e", &format!("{held} print(\"ready\"); sleep(600)")]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(user.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let layer = layer_of(&place, "base");
        fs::write(layer.join("tree/d/f"), "HELLO").unwrap();
        let ran = place.run(&["repair", "--yes"]);
        let pid = user.id().to_string();
        holds(&format!("{}{}", ran.out, ran.err), &["is in use by process", &pid]);
        assert!(layer.join("tree").exists(), "{}", ran.out);
        user.kill().unwrap();
        user.wait().unwrap();
        place.run(&["repair", "--yes"]);
        assert!(!layer.exists());
    }
}

#[test]
fn a_damaged_host_path_is_not_taken_for_verified() {
    let place = Place::new();
    let host = place.path().join("hostdir");
    fs::create_dir(&host).unwrap();
    let code = format!(
        "mount_direct(layer_at({host:?}), #{{ name: \"m\" }}); write(\"/f\", \"1\"); commit(\"top\"); ()"
    );
    place.code(&code).ok();
    // `hostdir` and `hostdiz` in hex
    change(&place.store().join("names/top"), "686f7374646972", "686f737464697a");
    place.run(&["repair", "--yes"]);
    assert_eq!(place.code("layers().map(|l| l.name).filter(|n| n == \"top\")").ok(), "[]\n");
}

#[test]
fn an_earlier_damaged_record_of_a_draft_is_kept() {
    let place = made();
    let draft = place.store().join("drafts/draft");
    for text in ["{first", "{second"] {
        fs::write(draft.join("draft.json"), text).unwrap();
        holds(&place.code("layer(\"draft\").read(\"/q\")").ok(), &["3"]);
        assert_eq!(fs::read(draft.join("draft.json.damaged")).unwrap(), text.as_bytes());
    }
    let aside = fs::read(place.store().join("lost+found/draft-draft.json.damaged-1")).unwrap();
    assert_eq!(aside, b"{first");
}

#[test]
fn a_check_takes_no_value_as_no_option() {
    let place = made();
    assert_eq!(place.code("check(#{ deep: () })").ok(), "[]\n");
    holds(&place.code("check(#{ deep: 1 })").fails(1), &["the option `deep` is true or false"]);
}

#[test]
fn a_store_that_a_power_cut_made_doubtful_is_told_of() {
    let place = made();
    let mark = "{\"pid\":1,\"started\":1,\"boot\":\"another\",\"namespace\":0}";
    fs::write(place.store().join("unsynced"), mark).unwrap();
    holds(&place.run(&["check"]).out, &["unsynced", "--sync=off"]);
    assert!(place.store().join("unsynced").exists());
}

#[test]
fn what_a_later_version_wrote_is_told_and_left() {
    let place = made();
    let records = ["names/top", "mounts/m/mount.json"].map(|at| place.store().join(at));
    for record in &records {
        change(record, "\"version\":1", "\"version\":2");
        // a record without a checksum is whole
        let text = fs::read_to_string(record).unwrap();
        fs::write(record, format!("{}}}\n", text.split(",\"check\":").next().unwrap())).unwrap();
    }
    let before = records.each_ref().map(|record| fs::read(record).unwrap());
    // nor does the prompt ask whether to do nothing
    let mut terminal = Terminal::start(&place, &[]);
    let answer = terminal.ask("repair().len()");
    assert!(answer.lines().any(|line| line.trim() == "2") && !answer.contains("go on"), "{answer}");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    let ran = place.run(&["check"]);
    assert_eq!(ran.out.matches("made by a later ufs").count(), 2, "{}", ran.out);
    place.run(&["repair", "--yes"]);
    assert_eq!(records.each_ref().map(|record| fs::read(record).unwrap()), before);
    // what else is there can be used
    assert_eq!(place.code("layer(\"base\").read(\"/d/f\")").ok(), "hello\n");
}
