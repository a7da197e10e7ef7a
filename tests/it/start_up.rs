//! The script that the prompt begins with.

use crate::program::{Place, holds};
use crate::terminal::{CTRL_D, Terminal};

/// A place with a start-up file and a module beside it.
fn place(text: &str) -> Place {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join(".config/ufs")).unwrap();
    place.file(".config/ufs/init.rhai", text);
    place.file(".config/ufs/helpers.rhai", "fn twice(n) { n * 2 }\n");
    place
}

#[test]
fn its_functions_variables_constants_and_imports_are_there_in_all_lines() {
    let place = place("import \"helpers\" as h;\nfn three() { 3 }\nlet x = 4;\nconst C = 5;\n6");
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt();
    assert!(
        terminal.row(0).contains("Ctrl-D ends"),
        "its last value is nobody's answer: {}",
        terminal.row(0)
    );
    assert_eq!(terminal.ask("h::twice(three()) + x"), "10");
    terminal.ask("fn f() { h::twice(global::C) }");
    assert_eq!(terminal.ask("f()"), "10");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn an_error_in_it_is_shown_and_the_prompt_comes_nevertheless() {
    let place = place("let x = 1;\nfn bad() {\n  nope() }\nbad();\nlet y = 2;\n");
    let mut terminal = Terminal::start(&place, &[]);
    terminal.wait_for("there is no function `nope()`");
    terminal.wait_for(".config/ufs/init.rhai:3:3");
    terminal.wait_for("in the function `bad`");
    assert_eq!(terminal.ask("x"), "1");
    let later = terminal.ask("bad()");
    holds(&later, &["init.rhai:3:3"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    place.file(".config/ufs/init.rhai", "let x = ;\n");
    let mut terminal = Terminal::start(&place, &[]);
    terminal.wait_for("init.rhai:1:9");
    assert_eq!(terminal.ask("1 + 1"), "2");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn scripts_pipes_and_single_lines_do_not_read_it_and_the_prompt_only_if_it_may() {
    let place = place("print(\"started up\");\nfn three() { 3 }\n");
    holds(&place.code("three()").fails(1), &["there is no function `three()`"]);
    assert_eq!(place.pipe(b"1", &[]).ok(), "1\n");
    assert_eq!(place.pipe(b"2", &["--json"]).ok(), "2\n");
    assert_eq!(place.script("print(3);", &[]).ok(), "3\n");
    let mut terminal = Terminal::start(&place, &["--no-init"]);
    let answer = terminal.ask("three()");
    holds(&answer, &["there is no function `three()`"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    let mut terminal = Terminal::start(&place, &[]);
    terminal.wait_for("started up");
    assert_eq!(terminal.ask("three()"), "3");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}
