//! `watch`: what is told of what happens to the layers, where, and in which order.

use std::fs::File;
use std::process::Stdio;

use crate::program::{Place, fuse_works, holds, overlay_works};
use crate::terminal::{CTRL_D, Look, Terminal};

/// A base of three files, and a mount of it that is watched.
const WATCHED: &str = r#"
    let base = layer("base");
    base.write("/etc/motd", "27 bytes, the newline too.\n"); base.write("/etc/hosts", "h\n"); base.write("/d/f", "x");
    base.seal();
"#;

/// What a script shows on stdout and stderr together, IDs left out.
fn shown(place: &Place, flags: &[&str], code: &str) -> Vec<String> {
    let file = place.path().join("shown");
    let sink = File::create(&file).unwrap();
    let mut command = place.command(&[flags, &["-e", &format!("{WATCHED}{code}")]].concat());
    let mut child = command.stdout(sink.try_clone().unwrap()).stderr(Stdio::from(sink)).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", std::fs::read_to_string(&file).unwrap());
    let text = std::fs::read_to_string(&file).unwrap();
    text.lines().map(without_id).collect()
}

/// A line without the ID in parentheses.
fn without_id(line: &str) -> String {
    match line.split_once(" (") {
        Some((before, after)) if line.starts_with("watch") => {
            let after = after.split_once(')').unwrap().1;
            format!("{before}{after}")
        }
        _ => line.to_owned(),
    }
}

/// One script for every driver: each call, and what is told before its answer.
const CALLS: &str = r#"
    watch(true);
    print(1); write("/new.txt", "x");
    print(2); append_to("/etc/motd", "more");
    print(3); append_to("/etc/motd", "more");
    print(4); rm("/etc/hosts");
    print(5); write("/etc/hosts", "2");
    print(6); rm("/new.txt");
    print(7); rm_all("/d"); mkdir("/d");
    print(8); mv("/etc/motd", "/motd");
    print(9); chmod("/motd", "0600");
    print(10); print(commit("app").name);
    print(11); chmod("/motd", "0644"); rm("/etc/hosts");
    print(12); reset();
    print(13); chmod("/motd", "0644");
    print(14); watch(false); rm("/motd");
"#;

fn in_order(told: &[String], wanted: &[&str]) {
    assert_eq!(told, wanted, "\n{}\n", told.join("\n"));
}

#[test]
fn each_call_is_told_before_its_answer_and_a_commit_in_between_changes_nothing() {
    let told = shown(&Place::new(), &["--quiet"], &format!("mount_direct(base); {CALLS}"));
    in_order(
        &told,
        &[
            "1",
            "watch: created /new.txt",
            "2",
            "watch: copied up /etc/ from base, the directory alone",
            "watch: copied up /etc/motd from base, 27 B",
            "3",
            "watch: changed /etc/motd in place: content",
            "4",
            "watch: whiteout /etc/hosts hides base's",
            "5",
            "watch: created /etc/hosts, in the place of its whiteout",
            "6",
            "watch: removed /new.txt, which the upper alone held",
            "7",
            "watch: copied up /d/ from base, the directory alone",
            "watch: whiteout /d/f hides base's",
            "watch: whiteout /d hides base's",
            "watch: opaque /d/: made anew, nothing of base shows through",
            "8",
            "watch: renamed /etc/motd -> /motd",
            "watch: whiteout /etc/motd hides base's",
            "9",
            "watch: changed /motd in place: mode",
            "10",
            "app",
            "11",
            "watch: copied up /motd from app, 35 B",
            "watch: changed /motd: mode",
            "watch: copied up /etc/ from app, the directory alone",
            "watch: whiteout /etc/hosts hides app's",
            "12",
            "13",
            "watch: copied up /motd from app, 35 B",
            "watch: changed /motd: mode",
            "14",
        ],
    );
}

#[test]
fn the_kernels_overlay_is_compared_after_each_call() {
    if !overlay_works() {
        return;
    }
    let told = shown(&Place::new(), &["--quiet"], &format!("mount_overlay(base); {CALLS}"));
    in_order(
        &told,
        &[
            "1",
            "watch: created /new.txt",
            "2",
            "watch: copied up /etc/ from base, the directory alone",
            "watch: copied up /etc/motd from base, 27 B",
            "3",
            "watch: changed /etc/motd in place: content",
            "4",
            "watch: whiteout /etc/hosts hides base's",
            "5",
            "watch: created /etc/hosts, in the place of its whiteout",
            "6",
            "watch: removed /new.txt, which the upper alone held",
            "7",
            "watch: whiteout /d hides base's",
            "watch: opaque /d/: made anew, nothing of base shows through",
            "8",
            "watch: whiteout /etc/motd hides base's",
            "watch: renamed /etc/motd -> /motd",
            "9",
            "watch: changed /motd in place: mode",
            "10",
            "app",
            "11",
            "watch: copied up /motd from app, 35 B",
            "watch: changed /motd: mode",
            "watch: copied up /etc/ from app, the directory alone",
            "watch: whiteout /etc/hosts hides app's",
            "12",
            "13",
            "watch: copied up /motd from app, 35 B",
            "watch: changed /motd: mode",
            "14",
        ],
    );
}

#[test]
fn one_mount_can_be_watched_among_others_and_several_are_named() {
    let code = r#"
        let one = mount_direct(base); let two = mount_direct(base);
        assert(!watch()); assert(!one.watch());
        one.watch(true);
        assert(one.watch()); assert(!two.watch()); assert(watch());
        one.write("/a", "1"); two.write("/a", "1");
        watch(true);
        assert(two.watch());
        one.rm("/a"); two.rm("/a");
        one.watch(false); one.write("/b", "1"); two.write("/b", "1");
        two.unmount(); two.mount(); two.rm("/b");
        let three = mount_direct(base); three.write("/c", "1");
        watch(false); three.rm("/c"); assert(!watch()); assert(!three.watch());
    "#;
    let told = shown(&Place::new(), &["--quiet"], code);
    in_order(
        &told,
        &[
            "watch: created /a",
            "watch m1: removed /a, which the upper alone held",
            "watch m2: removed /a, which the upper alone held",
            "watch: created /b",
            "watch: removed /b, which the upper alone held",
            "watch m3: created /c",
        ],
    );
}

#[test]
fn with_json_what_happens_is_json_on_stderr_and_answers_stay_alone_on_stdout() {
    let place = Place::new();
    let code = format!(
        "{WATCHED} mount_direct(base); watch(true); chmod(\"/etc/motd\", \"0600\"); rm(\"/etc/hosts\"); \
         mv(\"/etc/motd\", \"/m\"); print(1); for n in 0..120 {{ write(`/f${{n}}`, \"\"); }} ()"
    );
    let ran = place.run(&["--json", "--quiet", "-e", &code]);
    assert_eq!(ran.out, "1\n");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"bytes":0,"kind":"dir","layer":"base","mount":"m1","path":"/etc","watch":"copied_up"}"#
    );
    assert_eq!(
        lines[1..6],
        [
            r#"{"bytes":27,"kind":"file","layer":"base","mount":"m1","path":"/etc/motd","watch":"copied_up"}"#,
            r#"{"copied_up":true,"kind":"file","mount":"m1","path":"/etc/motd","watch":"changed","what":"mode"}"#,
            r#"{"layer":"base","mount":"m1","path":"/etc/hosts","watch":"whiteout"}"#,
            r#"{"kind":"file","layer":null,"mount":"m1","path":"/etc/motd","to":"/m","watch":"renamed"}"#,
            r#"{"layer":"base","mount":"m1","path":"/etc/motd","watch":"whiteout"}"#,
        ]
    );
    assert_eq!(lines.len(), 6 + 120, "each call is told by itself, so nothing is summed up");
}

#[test]
fn much_of_one_call_is_summed_up() {
    let place = Place::new();
    let code = "let many = layer(\"many\"); for n in 0..250 { many.write(`/t/${n}`, \"x\"); } \
                mount_direct(many); watch(true); rm_all(\"/t\"); print(\"gone\");";
    let told = shown(&place, &["--quiet"], code);
    assert_eq!(told.len(), 102, "\n{}\n", told.join("\n"));
    assert_eq!(told[0], "watch: copied up /t/ from many, the directory alone");
    // every file, and the directory
    assert_eq!(told[100], "watch: ... and 152 more: 152 whiteouts");
    assert_eq!(told[101], "gone");
    let code = "mount_direct(\"many\"); watch(true); rm_all(\"/t\"); ()";
    let ran = place.run(&["--quiet", "--json", "-e", code]);
    assert_eq!(ran.err.lines().nth(100), Some(r#"{"counts":{"whiteout":152},"watch":"more"}"#));
}

#[test]
fn what_a_script_did_is_told_when_it_fails_and_when_it_ends_itself() {
    let place = Place::new();
    for end in ["fail(\"no\")", "exit(3)", "read(\"/nothing\")"] {
        let ran = place.code(&format!(
            "mount_direct(layer_at(\"{}\")); watch(true); write(\"/a\", \"1\"); {end}",
            place.path().display()
        ));
        assert_ne!(ran.code, 0);
        holds(&ran.err, &["watch: created /a\n"]);
    }
}

#[test]
fn a_wrong_argument_says_what_is_right() {
    let place = Place::new();
    let err = place.code("watch(\"on\")").fails(1);
    holds(&err, &["`watch` wants true or false, not a string", "`watch()` tells whether it is on"]);
}

/// Starts another program that changes the mount once a file is there; where users have mounts of their own, only what
/// the prompt started sees them.
fn once(terminal: &mut Terminal, there: &std::path::Path, command: &str) {
    let there = there.display();
    let wait = format!("n=0; until [ -e {there} ]; do n=$((n+1)); [ $n -lt 600 ] || exit; sleep 0.05; done");
    terminal.ask(&format!("!({wait}; {command}) >/dev/null 2>&1 &"));
}

#[test]
fn what_other_programs_do_appears_above_the_line_that_is_typed() {
    if !fuse_works() {
        return;
    }
    let place = Place::new();
    let merged = place.path().join("at");
    std::fs::create_dir(&merged).unwrap();
    let mut terminal = Terminal::open(&place, Look { columns: 80, ..Look::default() }, &[]);
    terminal.ask(
        "let base = layer(\"base\"); base.write(\"/etc/motd\", \"hello\\n\"); base.write(\"/x\", \"\");",
    );
    terminal.ask(&format!("mount_fuse(base, #{{ at: \"{}\" }}); watch(true)", merged.display()));
    let go = place.path().join("go");
    once(&mut terminal, &go, "echo x >new; rm x");
    terminal.prompt().keys("write(\"/y\", \"half ty").wait_for("half ty");
    std::fs::write(&go, "").unwrap();
    terminal.wait_for("watch: created /new").wait_for("watch: whiteout /x hides base's");
    terminal.wait_until("the line beneath", |seen| {
        let rows: Vec<String> = (0..24).map(|row| seen.row(row)).collect();
        let at = rows.iter().rposition(|row| row.starts_with("watch:"));
        at.is_some_and(|at| rows.get(at + 1).is_some_and(|row| row.ends_with("> write(\"/y\", \"half ty")))
    });
    terminal.keys("ped\")").wait_for("half typed\")").enter();
    let answer = terminal.answer();
    assert_eq!(answer, "watch: created /y");
    // while another program has the terminal, nothing is written over it
    assert_eq!(terminal.ask("!rm y; echo quiet"), "quiet\nwatch: removed /y, which the upper alone held");
    terminal.ask("watch(false)");
    terminal.ask("!printf x >z");
    assert_eq!(terminal.ask("print(read(\"/z\"))"), "x");
    terminal.prompt().keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn where_nothing_can_be_printed_above_a_line_it_is_told_beneath() {
    if !fuse_works() {
        return;
    }
    let place = Place::new();
    let merged = place.path().join("at");
    std::fs::create_dir(&merged).unwrap();
    let mut terminal = Terminal::open(&place, Look { term: "dumb", ..Look::default() }, &[]);
    terminal.ask(&format!("mount_fuse(layer(\"base\"), #{{ at: \"{}\" }}); watch(true)", merged.display()));
    let go = place.path().join("go");
    once(&mut terminal, &go, "echo x >new");
    terminal.prompt();
    std::fs::write(&go, "").unwrap();
    terminal.wait_for("watch: created /new");
    terminal.keys("print(1 + 1)").enter().shows("2");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}
