//! The prompt, at a terminal.

use nix::sys::signal::Signal;

use crate::program::{Place, holds};
use crate::terminal::{CTRL_C, CTRL_D, Look, Terminal, UP};

#[test]
fn a_line_is_answered_and_variables_and_functions_stay() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("let x = 20 + 1"), "");
    assert_eq!(terminal.ask("fn twice(n) { n * 2 }"), "");
    assert_eq!(terminal.ask("twice(x)"), "42");
    terminal.line("const l = layer(\"b\"); l.write(\"/a\", \"1\")");
    terminal.line("let m = mount_direct(l)");
    assert_eq!(terminal.ask("ls"), "[\"a\"]");
    assert_eq!(terminal.ask("m.find(\"*\").map(|p| m.stat(p).size)"), "[1]");
    holds(&terminal.ask("mkdir"), &["there is no variable `mkdir`", "`mkdir(path)`"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn an_entry_that_is_not_whole_goes_on_at_the_next_line() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("fn f(m) {").keys("    m.read(\"/no\")\r}\r");
    terminal.line("let t = `one").keys("two`\r");
    assert_eq!(terminal.ask("t.len()"), "7");
    let error = terminal.ask("f(mount_direct(layer(\"b\")))");
    holds(&error, &["cannot read `/no`: it does not exist", "entry 1:2:11", "in the function `f`"]);
    terminal.line("exit(3)");
    assert_eq!(terminal.ends(), 3);
}

#[test]
fn ctrl_c_stops_what_runs_and_not_the_program() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    for busy in ["print(`go${1}`); loop {}", "print(`go${1}`); sleep(600)"] {
        terminal.line(busy).shows("go1").keys(CTRL_C);
    }
    terminal.ask("let kept = 1;");
    terminal.keys("half a li").wait_for("half a li").keys(CTRL_C);
    assert_eq!(terminal.ask("kept + 1"), "2");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn ctrl_c_at_a_kernel_mount_ends_the_host_command_and_keeps_the_mount() {
    if !crate::program::overlay_works() {
        return;
    }
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("let m = mount_overlay(layer(\"b\"))");
    terminal.line("sh(\"echo go$((1)); sleep 600\")").shows("go1").keys(CTRL_C);
    let answer = terminal.ask("sh(\"echo on > f; echo seen$((1))\")");
    assert_eq!(answer, "seen1", "what was on the screen is not told again");
    assert_eq!(terminal.ask("!cat f"), "on");
    assert_eq!(terminal.ask("m.mounted"), "true");
    terminal.keys(CTRL_D).shows("has uncommitted changes");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn lines_are_remembered_in_this_run_and_the_next() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("111 + 1"), "112");
    terminal.keys(UP).wait_for("\nufs> 111 + 1").keys("1").enter();
    assert_eq!(terminal.answer(), "122");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys(UP).wait_for("ufs> 111 + 11").keys(UP);
    terminal.wait_until("the line before", |seen| seen.screen().contents().ends_with("ufs> 111 + 1")).enter();
    assert_eq!(terminal.answer(), "112");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn modules_stay_imported() {
    let place = Place::new();
    place.file("tools.rhai", "fn three() { 3 }\nfn bad() {\n  nope() }\n");
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("import \"tools\" as tools;");
    assert_eq!(terminal.ask("tools::three() + 1"), "4");
    holds(&terminal.ask("tools::bad()"), &["tools.rhai:3:3"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn an_import_may_stand_anywhere_and_functions_see_it() {
    let place = Place::new();
    place.file("tools.rhai", "fn three() { 3 }\nfn apply(f) { f.call(1) }\n");
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("let y = 1; import \"tools\" as t; t::three() + y"), "4");
    terminal.line("fn six() { t::three() * 2 }");
    assert_eq!(terminal.ask("six() + y"), "7");
    terminal.line("t::apply(|n| n / 0)");
    terminal.shows("entry 4:1:16");
    terminal.shows("in a closure");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn an_error_in_a_function_of_an_earlier_entry_points_into_its_text() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, Look { columns: 120, ..Look::default() }, &[]);
    terminal.line("fn over(a) { a / 0 }");
    terminal.line("fn over(a, b) {");
    terminal.keys("a + nope(b)\r}\r");
    terminal.line("let c = |n| n / 0; let seen = 1; const SURE = 2;");
    terminal.line("over(1)");
    terminal.shows("entry 1:1:16");
    terminal.line("over(1, 2)");
    terminal.shows("entry 2:2:");
    terminal.line("c.call(1)");
    terminal.shows("entry 3:1:15");
    terminal.line("fn over(a) { seen + a }");
    terminal.line("over(1)");
    terminal.shows("entry 7:1:14");
    terminal.shows("hand `seen` over as an argument");
    terminal.line("fn sure() { SURE }");
    terminal.line("sure()");
    terminal.shows("entry 9:1:13");
    terminal.shows("this constant is `global::SURE` there");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_signal_to_end_is_heard_by_a_prompt_that_waits_for_a_key() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let place = Place::new();
        let mut terminal = Terminal::start(&place, &[]);
        terminal.ask("mount_direct(layer(\"b\"), #{ name: \"box\" }); write(\"/a\", \"1\")");
        terminal.signal(signal);
        terminal.shows("`box` has uncommitted changes, kept in the store");
        assert_eq!(terminal.ends(), code);
    }
}

#[test]
fn an_entry_that_took_too_much_does_not_keep_the_next_from_running() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &["--limit-memory", "64M"]);
    holds(&terminal.ask("let s = \"ab\"; loop { s += s; }"), &["this takes more memory than 64.0 MiB"]);
    assert_eq!(terminal.ask("1 + 1"), "2");
    holds(&terminal.ask("let e = \"eval(e)\"; eval(e)"), &["the calls are nested too deeply"]);
    assert_eq!(terminal.ask("2 + 2"), "4");
}

#[test]
fn output_without_a_newline_stays_and_the_prompt_begins_a_new_line() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("!printf abc").trim_end(), "abc⏎");
    assert_eq!(terminal.ask("!printf 'one\\ntwo'").trim_end(), "one\ntwo⏎");
    assert_eq!(terminal.ask("!echo whole"), "whole");
    assert_eq!(terminal.ask("!true"), "");
    assert_eq!(terminal.ask("1 + 1"), "2");
}

#[test]
fn a_byte_that_is_no_utf_8_drops_the_line_and_not_the_session() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("1"), "1");
    terminal.keys("let x").wait_for("let x").bytes(b"\xff").wait_for("that was not UTF-8");
    assert_eq!(terminal.ask("1 + 1"), "2");
}
