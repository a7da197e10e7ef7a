//! What a store takes on disk, freeing what nothing needs, and two programs on one store.

use std::fs::{File, FileTimes};
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, SystemTime};

use crate::endings::send;
use crate::program::{Place, Ran, holds};
use crate::terminal::{CTRL_D, Terminal};

const OLD: &str = "layer(\"old\").write(\"/f\", \"1\"); layer(\"old\").seal(); remove(\"old\", true);";

/// Makes a name look as if it had been given days ago.
fn given_days_ago(place: &Place, name: &str, days: u64) {
    let then = SystemTime::now() - Duration::from_hours(24 * days);
    let file = File::open(place.store().join("names").join(name)).unwrap();
    file.set_times(FileTimes::new().set_modified(then)).unwrap();
}

fn names(place: &Place) -> String {
    place.code("let n = layers().map(|l| l.name); n.sort(); n").ok()
}

#[test]
fn a_script_frees_and_says_so_and_a_prompt_only_lists() {
    let place = Place::new();
    let ran = place.code(&format!("{OLD} let freed = gc(); assert(freed.done); freed.layers"));
    holds(&ran.err, &["freed 1 layer, "]);
    assert_eq!(ran.ok(), "1\n");
    let ran =
        place.run(&["-q", "-e", &format!("{OLD} assert_eq(gc(false).layers, 1); collect().items[0].why")]);
    assert_eq!((ran.err.as_str(), ran.out.as_str()), ("", "no name, mount or process uses it\n"));
    place.code("assert_eq(gc().layers, 0)").ok();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line(OLD);
    holds(
        &terminal.ask("gc"),
        &["no name, mount or process uses it", "would free 1 layer, ", "`gc(true)` does it"],
    );
    holds(&terminal.ask("gc(true)"), &["freed 1 layer, "]);
    assert_eq!(terminal.ask("gc"), "nothing to free");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn the_words_of_the_command_line_do_the_same() {
    let place = Place::new();
    place.code(OLD).ok();
    holds(&place.run(&["gc", "--dry-run"]).ok(), &["would free 1 layer"]);
    holds(&place.run(&["du"]).ok(), &["nothing", "gc() would free"]);
    holds(&place.run(&["--json", "gc"]).ok(), &["\"done\":true", "\"layers\":1"]);
    place.code("layer(\"a\").seal();").ok();
    holds(&place.run(&["prune", "0s", "-n"]).ok(), &["would free 1 name and 1 layer"]);
    assert_eq!(names(&place), "[\"a\"]\n");
    holds(&place.run(&["prune", "0s"]).ok(), &["freed 1 name and 1 layer"]);
    holds(&place.run(&["prune", "5"]).fails(1), &["`5` is no span of time", "\"30d\""]);
}

#[test]
fn pruned_is_what_was_not_used_for_so_long_and_what_nothing_stands_on() {
    let place = Place::new();
    let made = "for n in [\"base\", \"idle\", \"used\", \"under\", \"fresh\"] { let l = layer(n); l.write(n, n); l.seal(); }
        mount_direct(\"under\", #{ name: \"m\" }); write(\"/x\", \"1\");
        mount_direct(\"base\", #{ name: \"b\" }); write(\"/y\", \"1\"); commit(\"app\"); use_mount(\"b\").discard();";
    place.code(made).ok();
    for name in ["base", "idle", "used", "under"] {
        given_days_ago(&place, name, 3);
    }
    assert_eq!(place.code("prune(\"4d\").names").ok(), "0\n");
    // to list them is no use, to open one is
    place.code("layers(); layer(\"used\").read(\"used\"); ()").ok();
    let freed = place.code("prune(\"2d12h\", false).items.map(|i| [i.what, i.name, i.why])").ok();
    holds(&freed, &["[\"name\", \"idle\", \"not used for 3 days\"]"]);
    assert_eq!(freed.matches("\"name\"").count(), 1, "{freed}");
    let ran = place.code("let freed = prune(\"2d12h\"); [freed.names, freed.layers]");
    holds(&ran.err, &["freed 1 name and 1 layer"]);
    assert_eq!(ran.ok(), "[1, 1]\n");
    assert_eq!(names(&place), "[\"app\", \"base\", \"fresh\", \"under\", \"used\"]\n");
    assert_eq!(place.code("use_mount(\"m\").read(\"/under\")").ok(), "under\n");
    assert_eq!(place.code("check()").ok(), "[]\n");
}

#[test]
fn du_tells_what_is_shared_and_what_could_be_freed() {
    let place = Place::new();
    let made = "let b = layer(\"base\"); b.write(\"/big\", blob(300000, 1)); b.link(\"/big\", \"/again\"); b.seal();
        mount_direct(\"base\", #{ name: \"m\" }); write(\"/x\", \"1\"); commit(\"app\"); write(\"/y\", blob(100000, 2));
        layer(\"d\").write(\"/f\", \"1\");";
    place.code(&format!("{made} {OLD}")).ok();
    let code = "let d = du();
        let base = d.items.find(|i| i.what == \"layer\" && \"base\" in i.used_by);
        assert_eq(base.used_by.len(), 3); assert_eq(base.shared_bytes, base.bytes); assert_eq(base.own_bytes, 0);
        assert(base.bytes >= 300000 && base.bytes < 400000);
        let app = d.items.find(|i| i.what == \"name\" && i.name == \"app\");
        assert(app.bytes > base.bytes); assert_eq(app.own_bytes, 0);
        assert(d.items.find(|i| i.what == \"upper\" && i.name == \"m\").own_bytes >= 100000);
        assert(d.items.find(|i| i.what == \"draft\" && i.name == \"d\").own_bytes > 0);
        assert(d.gc > 0); assert_eq(d.prune, d.gc); print(d); gc().bytes == d.gc";
    let ran = place.code(code);
    let told = ran.ok();
    holds(&told, &["upper  m", "app, base, mount m", "nothing", "gc() would free"]);
    assert!(told.ends_with("true\n"), "{told}");
}

#[test]
fn what_another_program_uses_stays_and_is_told() {
    let place = Place::new();
    place.code("for n in [\"a\", \"b\", \"c\"] { let l = layer(n); l.write(n, n); l.seal(); }").ok();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("let held = layer(\"a\");");
    terminal.ask("let name = \"b\"; layer(name);");
    terminal.ask("mount_direct(\"c\", #{ name: \"m\" });");
    // what an entry used is held until the prompt has forgotten its value
    terminal.ask("1 + 1");
    terminal.ask("1 + 2");
    // to look what could be freed lets nothing go
    terminal.ask("[du().gc, gc(false).layers, prune(\"0s\", false).names]");
    let code = "for n in [\"a\", \"b\", \"c\"] { remove(n); } gc()";
    holds(
        &place.code(code).ok(),
        &["freed 1 layer, ", "1 layer that nothing else needs stays, in use by process ", "ufs"],
    );
    assert_eq!(terminal.ask("held.read(\"a\")"), "a");
    assert_eq!(terminal.ask("read(\"c\")"), "c");
    // what the mount stands on can be named again
    holds(&terminal.ask("commit(\"again\").stack.len()"), &["no changes", "1"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    assert_eq!(place.code("let freed = gc(); [freed.layers, freed.in_use]").ok(), "[1, 0]\n");
    assert_eq!(names(&place), "[\"again\"]\n");
    assert_eq!(place.code("check()").ok(), "[]\n");
}

#[test]
fn what_a_killed_program_was_making_is_freed_by_another_that_was_there() {
    let place = Place::new();
    place.code("layer(\"a\").seal();").ok();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("layers().len()");
    let mut killed = place
        .command(&["-e", "mount_direct(\"a\", #{ name: \"x\" }).discard(); print(\"ready\"); sleep(600)"])
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(killed.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // its directories wait to be used again
    let left = || std::fs::read_dir(place.store().join("tmp")).unwrap().count();
    assert_eq!(left(), 1);
    assert_eq!(terminal.ask("gc(true)"), "nothing to free");
    killed.kill().unwrap();
    killed.wait().unwrap();
    holds(&terminal.ask("gc"), &["left over", "left by a process that has ended"]);
    holds(&terminal.ask("gc(true)"), &["freed 1 thing left over, "]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    assert_eq!(left(), 0);
}

#[test]
fn who_waits_tells_for_whom_and_ctrl_c_ends_it() {
    let place = Place::new();
    place.code("layer(\"a\").seal(); layer(\"b\").seal();").ok();
    let names = File::open(place.store().join("names")).unwrap();
    names.lock().unwrap();
    let mut waits = place.command(&["-e", "remove(\"a\")"]).spawn().unwrap();
    let mut told = String::new();
    let mut errors = BufReader::new(waits.stderr.take().unwrap());
    errors.read_line(&mut told).unwrap();
    let own = format!("waiting for process {} (", std::process::id());
    holds(&told, &[&own, "which holds the lock of", "/names; Ctrl-C ends the waiting"]);
    send(waits.id(), "INT");
    assert_eq!(waits.wait().unwrap().code(), Some(130));
    // and it goes on as soon as the lock is free
    let mut waits = place.command(&["-e", "remove(\"a\"); remove(\"b\")"]).spawn().unwrap();
    let mut errors = BufReader::new(waits.stderr.take().unwrap());
    errors.read_line(&mut told).unwrap();
    names.unlock().unwrap();
    Ran::of(waits).ok();
    assert_eq!(place.code("layers().len()").ok(), "0\n");
}

#[test]
fn to_list_drafts_takes_none_from_other_programs() {
    let place = Place::new();
    place.code("layer(\"d\").write(\"/f\", \"1\");").ok();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("layers().len()"), "1");
    assert_eq!(terminal.ask("1 + 1"), "2");
    place.code("layer(\"d\").write(\"/g\", \"2\");").ok();
    // who writes one has it, and who waits for it in vain is told who that is
    terminal.ask("layer(\"d\").write(\"/h\", \"3\")");
    let told = place.code("layer(\"d\").write(\"/i\", \"4\")").fails(1);
    holds(&told, &["the draft `d` is in use by process "]);
    assert_eq!(terminal.ask("let d = layer(\"d\"); d.ls(\"/\")"), "[\"f\", \"g\", \"h\"]");
}
