//! `save_script`: what was typed, as a script.

use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Place, holds};
use crate::terminal::{CTRL_D, Terminal};

/// Types entries, saves them as `saved.rhai`, and gives what the last of them answered and what was saved.
fn session(place: &Place, entries: &[&str]) -> (String, String) {
    let mut terminal = Terminal::start(place, &["--no-pager"]);
    let mut answer = String::new();
    for entry in entries {
        answer = terminal.ask(entry);
    }
    terminal.ask("save_script(\"saved.rhai\", #{ force: true })");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    (answer, std::fs::read_to_string(place.path().join("saved.rhai")).unwrap())
}

fn place() -> Place {
    Place::new().with("SOURCE_DATE_EPOCH", "1700000000")
}

#[test]
fn a_saved_session_gives_the_same_diff_ids_in_a_fresh_store() {
    let entries = [
        "let base = layer(\"base\") // a name",
        "base.write(\"/etc/motd\", \"hello\\n\");",
        "import \"tools\" as t; let n = t::three()",
        "mount_direct(base, #{ name: \"box\" })",
        "show",
        "let z = n + 1; write(\"/z\", `${z}`); fail(\"stop\"); write(\"/never\", \"\")",
        "fn text(a) { \"one\" + a }",
        "write(\"/one\", text(\"!\"))",
        "fn text(a) { \"two\" + a }",
        "write(\"/two\", text(\"!\")); nope()",
        "let add = |k| k + z",
        "write(\"/sum\", `${add.call(1)}`)",
        "let k = 4; add.call(k) * 2",
        "_ + 1",
        "switch _ { 17 => write(\"/last\", `${_} of ${[_, _].len()}`), _ => fail(\"no\") }",
        "const WHERE = \"/const\"",
        "fn put() { write(global::WHERE, `${z(1)}`) } fn z(a) { a * 2 }",
        "put()",
        "help(\"mount\")",
        "commit(\"done\", \"a session\"); layers().map(|l| `${l.name} ${l.diff_id}`)",
    ];
    let place = place();
    place.file("tools.rhai", "fn three() { 3 }\n");
    let (answer, script) = session(&place, &entries);
    holds(&answer, &["done sha256:", "base sha256:"]);
    holds(
        &script,
        &["#!/usr/bin/env ufs\n", "show();", "let base = layer(\"base\"); // a name\n", "fn text_1(a)"],
    );
    for left_out in ["help(", "save_script", "never", "nope"] {
        assert!(!script.contains(left_out), "{left_out} in:\n{script}");
    }
    let mode = std::fs::metadata(place.path().join("saved.rhai")).unwrap().permissions().mode();
    assert_eq!(mode & 0o700, 0o700, "it can be run");
    let again = "print(layers().map(|l| `${l.name} ${l.diff_id}`));";
    place.file("again.rhai", &format!("{script}\n{again}"));
    let out = place.run(&["--store", "fresh", "again.rhai"]).ok();
    let ids = |text: &str| -> Vec<String> {
        text.split(['"', ' ', '\n']).filter(|word| word.starts_with("sha256:")).map(str::to_owned).collect()
    };
    assert_eq!(ids(&out), ids(&answer), "{script}");
    assert_eq!(ids(&out).len(), 2);
    place.run(&["--store", "other", "saved.rhai"]).ok();
}

#[test]
fn what_an_old_function_did_is_done_by_it_also_where_another_called_it() {
    let entries = [
        "fn f() { 1 }",
        "fn g() { f() * 10 }",
        "assert_eq(f(), 1); assert_eq(g(), 10)",
        "fn f() { 2 }",
        "assert_eq(f(), 2); assert_eq(g(), 20)",
        "fn f(a) { if a == 0 { 0 } else { f(a - 1) } }",
        "assert_eq(f(3), 0)",
        "fn f(a) { 5 }",
        "assert_eq(f(3), 5)",
        // one that calls itself through another, which is defined anew twice
        "fn down(n) { if n <= 0 { \"\" } else { step(n) } } fn step(n) { \"a\" + down(n - 1) }",
        "assert_eq(down(2), \"aa\")",
        "fn step(n) { \"b\" + down(n - 1) }",
        "assert_eq(down(2), \"bb\")",
        "fn step(n) { \"c\" + down(n - 1) }",
        "fn down_1() { 7 }",
        "assert_eq(down(2) + step(1) + down_1(), \"ccc7\")",
    ];
    let place = place();
    let (_, script) = session(&place, &entries);
    holds(
        &script,
        &[
            "fn f_1() { 1 }",
            "assert_eq(f_1(), 1); assert_eq(g_1(), 10)",
            "fn f_1(a) { if a == 0 { 0 } else { f_1(a - 1) } }",
        ],
    );
    holds(
        &script,
        &["fn g() { f() * 10 }\nfn g_1() { f_1() * 10 }", "assert_eq(f(), 2); assert_eq(g(), 20)"],
    );
    place.run(&["saved.rhai"]).ok();
}

#[test]
fn the_start_up_file_is_part_of_it_where_it_is_needed_and_imports_are_found_from_anywhere() {
    let place = place();
    std::fs::create_dir_all(place.path().join(".config/ufs")).unwrap();
    place.file(".config/ufs/init.rhai", "import \"mine\" as mine;\nfn start() { mine::one() }\n");
    place.file(".config/ufs/mine.rhai", "fn one() { 1 }\n");
    place.file("tools.rhai", "fn two() { 2 }\n");
    std::fs::create_dir(place.path().join("away")).unwrap();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("save_script(\"without.rhai\")");
    terminal.ask("import \"tools\" as t");
    terminal.ask("assert_eq(start() + t::two(), 3)");
    terminal.ask("save_script(\"away/with.rhai\")");
    let refused = terminal.ask("save_script(\"away/with.rhai\")");
    holds(&refused, &["it exists already", "#{ force: true }"]);
    let nowhere = terminal.ask("save_script(\"nowhere/x.rhai\")");
    holds(&nowhere, &["it does not exist"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    let without = std::fs::read_to_string(place.path().join("without.rhai")).unwrap();
    assert!(!without.contains("mine"), "{without}");
    place.run(&["away/with.rhai"]).ok();
    let left = std::fs::read_dir(place.path().join("away")).unwrap().count();
    assert_eq!(left, 1, "nothing half written stays");
}

#[test]
fn a_script_has_nothing_to_save() {
    holds(&Place::new().code("save_script(\"x\")").fails(1), &["what was typed at the prompt", "hint"]);
}
