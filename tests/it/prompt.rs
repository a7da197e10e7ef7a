//! The prompt, at a terminal.

use nix::sys::signal::Signal;

use crate::program::Place;
use crate::terminal::Terminal;

const UP: &str = "\x1b[A";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

#[test]
fn a_line_is_answered_and_variables_and_functions_stay() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("let x = 20 + 1");
    terminal.line("fn twice(n) { n * 2 }");
    terminal.line("twice(x)");
    terminal.shows("\r\n42\r\n");
    terminal.line("const l = layer(\"b\"); l.write(\"/a\", \"1\")");
    terminal.line("let m = mount_direct(l)");
    terminal.line("ls");
    terminal.shows("[\"a\"]\r\n");
    terminal.line("m.find(\"*\").map(|p| m.stat(p).size)");
    terminal.shows("[1]\r\n");
    terminal.line("mkdir");
    terminal.shows("there is no variable `mkdir`");
    terminal.shows("`mkdir(path)`");
    terminal.shows("ufs> ");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn an_entry_that_is_not_whole_goes_on_at_the_next_line() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("fn f(m) {");
    terminal.keys("    m.read(\"/no\")\r}\r");
    terminal.line("let t = `one");
    terminal.keys("two`\r");
    terminal.line("t.len()");
    terminal.shows("\r\n7\r\n");
    terminal.line("f(mount_direct(layer(\"b\")))");
    terminal.shows("cannot read `/no`: it does not exist");
    terminal.shows("entry 1:2:11");
    terminal.shows("in the function `f`");
    terminal.line("exit(3)");
    assert_eq!(terminal.ends(), 3);
}

#[test]
fn ctrl_c_stops_what_runs_and_not_the_program() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    for busy in ["print(`go${1}`); loop {}", "print(`go${1}`); sleep(600)"] {
        terminal.line(busy);
        terminal.shows("go1\r\n");
        terminal.keys(CTRL_C);
    }
    terminal.line("let kept = 1;");
    terminal.shows("ufs> ");
    terminal.keys("half a li");
    terminal.shows("half a li");
    terminal.keys(CTRL_C);
    terminal.line("kept + 1");
    terminal.shows("\r\n2\r\n");
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
    terminal.line("sh(\"echo go$((1)); sleep 600\")");
    terminal.shows("go1\r\n");
    terminal.keys(CTRL_C);
    terminal.line("sh(\"echo on > f; echo seen$((1))\")");
    terminal.shows("seen1\r\n");
    terminal.line("!cat f");
    let between = terminal.shows("on\r\n");
    assert!(!between.contains("code"), "what was on the screen is told again: {between}");
    terminal.line("m.mounted");
    terminal.shows("true\r\n");
    terminal.shows("ufs> ");
    terminal.keys(CTRL_D);
    terminal.shows("has uncommitted changes");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn lines_are_remembered_in_this_run_and_the_next() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("111 + 1");
    terminal.shows("112\r\n");
    terminal.shows("ufs> ");
    terminal.keys(UP);
    terminal.shows("111 + 1");
    terminal.keys("1\r");
    terminal.shows("122\r\n");
    terminal.shows("ufs> ");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    let mut terminal = Terminal::start(&place, &[]);
    terminal.shows("ufs> ");
    terminal.keys(UP);
    terminal.keys(UP);
    terminal.shows("111 + 1");
    terminal.keys("\r");
    terminal.shows("112\r\n");
    terminal.shows("ufs> ");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn modules_stay_imported() {
    let place = Place::new();
    place.file("tools.rhai", "fn three() { 3 }\nfn bad() {\n  nope() }\n");
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("import \"tools\" as tools;");
    terminal.line("tools::three() + 1");
    terminal.shows("\r\n4\r\n");
    terminal.line("tools::bad()");
    terminal.shows("tools.rhai:3:3");
    terminal.shows("ufs> ");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_signal_to_end_is_heard_by_a_prompt_that_waits_for_a_key() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let place = Place::new();
        let mut terminal = Terminal::start(&place, &[]);
        terminal.line("mount_direct(layer(\"b\"), #{ name: \"box\" }); write(\"/a\", \"1\")");
        terminal.shows("ufs> ");
        terminal.signal(signal);
        terminal.shows("`box` has uncommitted changes, kept in the store");
        assert_eq!(terminal.ends(), code);
    }
}

#[test]
fn the_next_line_is_indented_and_a_closing_bracket_goes_back() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("let text = \"\"; for i in 0..2 {");
    terminal.keys("if true {\rtext += `${i}\ra`\r}\r}\r");
    terminal.line("text");
    terminal.shows("\"0\\na1\\na\"\r\n");
    terminal.shows("ufs> ");
    terminal.keys(UP);
    terminal.keys(UP);
    terminal.shows("for i in 0..2 {\r\n    if true {\r\n        text += `${i}\r\na`\r\n    }\r\n}");
    terminal.keys(CTRL_C);
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn an_empty_line_ends_an_entry_and_alt_enter_begins_one() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("let x = [1,");
    terminal.keys("\r");
    terminal.shows("error: ");
    terminal.shows("ufs> ");
    terminal.keys("1;\x1b\r2;\x1b\r\x1b\r40 + 2\r");
    terminal.shows("\r\n42\r\n");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_pasted_script_is_one_entry() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.shows("ufs> ");
    terminal.keys("\x1b[200~print(`no ${1}`);\n\n\tfn f() {\n\t7\n}\nf() + 1\n\x1b[201~");
    terminal.shows("f() + 1");
    terminal.keys("\r");
    let before = terminal.shows("no 1\r\n");
    assert!(!before.contains("ufs> "), "nothing ran before Enter: {before}");
    terminal.shows("8\r\n");
    terminal.shows("ufs> ");
    terminal.keys(UP);
    terminal.shows("fn f() {");
    terminal.keys("\r");
    terminal.shows("8\r\n");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_line_that_begins_with_a_space_is_not_remembered() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("11 + 1");
    terminal.shows("12\r\n");
    terminal.line("  22 + 2");
    terminal.shows("24\r\n");
    terminal.shows("ufs> ");
    terminal.keys(UP);
    terminal.shows("11 + 1");
    terminal.keys("\r");
    terminal.shows("12\r\n");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}
