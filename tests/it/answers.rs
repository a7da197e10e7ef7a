//! What the prompt answers: help, bare words, values, long texts, its own text.

use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Place, holds};
use crate::terminal::{CTRL_C, CTRL_D, Look, Terminal};

const WIDE: Look = Look { columns: 200, rows: 50, term: "xterm-256color", locale: "C.UTF-8" };

#[test]
fn help_is_asked_for_by_a_question_mark() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, WIDE, &["--no-pager"]);
    let by_call = terminal.ask("help(\"commit\")");
    holds(&by_call, &["commit([name [, message]])", "Errors", "busy", "Example", "See also: diff"]);
    for line in ["?commit", "commit?", "commit ??", "?commit()", "help(commit)"] {
        assert_eq!(terminal.ask(line), by_call, "{line}");
    }
    assert_eq!(terminal.ask("?"), terminal.ask("help()"));
    holds(&terminal.ask("?whiteout"), &["this name is deleted here"]);
    holds(&terminal.ask("?comit"), &["there is no help for `comit`", "did you mean `commit`?"]);
    terminal.ask("let box = mount_direct(layer(\"b\"))");
    let upper = terminal.ask("?box.upper");
    holds(&upper, &["mount.upper\n", "live layer"]);
    assert!(!upper.contains("layer.upper"), "{upper}");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn a_bare_word_is_called_and_a_variable_of_its_name_is_shown() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    holds(&terminal.ask("show"), &["no mount is current"]);
    terminal.ask("mount_direct(layer(\"base\"), #{ name: \"web\" })");
    assert_eq!(terminal.ask("diff"), "no differences");
    terminal.ask("write(\"/a\", \"1\")");
    holds(&terminal.ask("show"), &["upper", "base", "new in upper"]);
    holds(&terminal.ask(" diff "), &["A  /a"]);
    holds(&terminal.ask("layers"), &["base"]);
    terminal.ask("let diff = 42");
    assert_eq!(terminal.ask("diff"), "42");
    terminal.ask("fn lesson() { \"well\" }");
    assert_eq!(terminal.ask("lesson"), "well");
    assert_eq!(terminal.ask("unmount"), "");
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn who_types_as_at_any_shell_is_told_the_call() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, WIDE, &[]);
    holds(
        &terminal.ask("ls /etc"),
        &["`ls /etc` is not a call", "`ls(\"/etc\")`", "`!ls ./etc` runs the host's `ls`"],
    );
    // what would be an open comment in a script
    holds(&terminal.ask("ls /etc/*"), &["`ls(\"/etc/*\")`"]);
    holds(&terminal.ask("cat x"), &["`read(\"x\")`"]);
    holds(&terminal.ask("help commit"), &["`help(\"commit\")`"]);
    holds(&terminal.ask("cd"), &["there is no current directory", "`!` alone opens a shell"]);
    holds(&terminal.ask("sort x"), &["`!sort x`"]);
    holds(&terminal.ask("let = 1"), &["expecting name of a variable", "let = 1"]);
    holds(&terminal.ask("unknown"), &["there is no variable `unknown`"]);
    terminal.ask("let debian = 1");
    holds(&terminal.ask("debain + 1"), &["there is no variable `debain`", "did you mean `debian`?"]);
    holds(&terminal.ask(".quit"), &["`.quit` is not a call", "hint: `quit`"]);
    holds(&terminal.ask("read \"x\""), &["`read(\"x\")`"]);
    holds(&terminal.ask("let y = read('xy')"), &["`'xy'` is not one character", "double quotes: `\"xy\"`"]);
    holds(&terminal.ask("read('x')"), &["not a character", "a string stands in double quotes"]);
    terminal.line("exit");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn the_last_value_stays_in_a_variable() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("20 + 1");
    terminal.ask("let nothing = 5");
    assert_eq!(terminal.ask("_ * 2"), "42");
    assert_eq!(terminal.ask("switch _ { 1 => 2, _ => `${_}!` }"), "42!");
    terminal.ask("layer(\"base\")");
    terminal.ask("_.write(\"/a\", \"1\")");
    assert_eq!(terminal.ask("layer(\"base\").read(\"/a\")"), "1");
}

#[test]
fn a_text_reaches_the_screen_without_what_a_terminal_would_obey() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("let l = layer(\"l\"); l.write(\"/a\", \"one\\ttab\\n\\x1b[31mred\\x07\\n\")");
    assert_eq!(terminal.ask("l.read(\"/a\")"), "one     tab\n\\x1b[31mred\\x07");
}

/// A pager of ours in place of `less`: it tells its arguments, and what it was given.
fn pager(place: &Place) {
    let script = place.file("pager", "#!/bin/sh\necho \"[$0 $*] LESS=$LESS\"\ncat\necho '[end]'\n");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_is_longer_than_the_screen_goes_through_the_pager_and_no_shell() {
    let place = Place::new().with("PAGER", "no/such").with("UFS_PAGER", "./pager -x $(touch owned);id");
    pager(&place);
    let mut terminal = Terminal::start(&place, &[]);
    let help = terminal.ask("help(\"all\")");
    holds(&help, &["[./pager -x $(touch owned);id] LESS=FRX\n", "commit()", "\n[end]"]);
    assert!(!place.path().join("owned").exists());
    assert_eq!(terminal.ask("1"), "1");
    terminal.ask("let l = layer(\"l\"); for i in 0..40 { l.write(`/f${i}`, \"\"); } mount_direct(l);");
    holds(&terminal.ask("show"), &["[./pager", "f39", "[end]"]);
    // what a script prints is not held up
    let printed = terminal.ask("for i in 0..40 { print(i) }");
    assert!(printed.ends_with("39") && !printed.contains("pager"), "{printed}");
}

#[test]
fn no_pager_is_started_where_there_is_to_be_none() {
    for (args, name, value, look) in [
        (&["--no-pager"][..], "UFS_PAGER", "./pager", Look::default()),
        (&[], "UFS_PAGER", "cat", Look::default()),
        (&[], "PAGER", "", Look::default()),
        (&[], "PAGER", "./pager", Look { term: "dumb", ..Look::default() }),
        (&[], "PAGER", "./pager", WIDE),
    ] {
        let place = Place::new().with(name, value);
        pager(&place);
        let mut terminal = Terminal::open(&place, look, args);
        let help = terminal.ask("?commit");
        assert!(help.starts_with("commit(") && help.contains("See also"), "{args:?} {value}: {help}");
        terminal.keys(CTRL_D);
        assert_eq!(terminal.ends(), 0);
    }
    // a terminal for the answers is needed, not only one for the questions
    let place = Place::new().with("PAGER", "./pager");
    pager(&place);
    let program = env!("CARGO_BIN_EXE_ufs");
    let words = ["sh", "-c", &format!("{program} >out; tail -n 3 out")];
    let mut terminal = Terminal::run(&place, Look::default(), &words);
    terminal.wait_for("ufs> ").keys("help(\"commit\")\r");
    // a key that ends the input is lost on a terminal that no editor reads from
    terminal.wait_until("the next prompt", |seen| seen.screen().contents().ends_with("\")\nufs> "));
    terminal.keys(CTRL_D).wait_for("See also: diff");
}

#[test]
fn a_pager_that_cannot_run_is_told_and_the_answer_comes_all_the_same() {
    let place = Place::new().with("PAGER", "./nothing -R");
    let mut terminal = Terminal::start(&place, &[]);
    holds(&terminal.ask("?commit"), &["cannot run the pager `./nothing`", "See also"]);
}

#[test]
fn the_prompt_names_the_mount_its_driver_and_that_there_are_changes() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    let mut prompt = |line: &str| {
        terminal.ask(line);
        let (row, _) = terminal.screen().cursor_position();
        terminal.row(row)
    };
    assert_eq!(prompt("layer(\"base\").write(\"/a\", \"1\")"), "ufs>");
    assert_eq!(prompt("mount_direct(\"base\", #{ name: \"web\" })"), "ufs web:direct>");
    assert_eq!(prompt("write(\"/b\", \"2\")"), "ufs web:direct*>");
    assert_eq!(prompt("commit(\"app\")"), "ufs web:direct>");
    assert_eq!(prompt("rm(\"/a\")"), "ufs web:direct*>");
    let long = "a-name-that-is-much-too-long-for-a-prompt-on-a-screen";
    assert_eq!(
        prompt(&format!("mount_direct(\"app\", #{{ name: \"{long}\" }})")),
        "ufs a-name-that…-on-a-screen:direct>"
    );
    assert_eq!(prompt("unmount"), "ufs web:direct*>");
    assert_eq!(prompt("unmount"), "ufs>");
    if crate::program::overlay_works() {
        assert_eq!(prompt("mount_overlay(\"base\", #{ name: \"kernel\" })"), "ufs kernel>");
        assert_eq!(prompt("!echo >new"), "ufs kernel*>");
    }
}

#[test]
fn the_time_is_told_of_what_took_long_and_of_nothing_else() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    let answer = terminal.ask("sleep(1.1); 5");
    assert!(answer.starts_with("5\ntook 1."), "{answer}");
    assert_eq!(terminal.ask("6"), "6");
}

#[test]
fn answers_are_set_for_the_window_as_it_is() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &["--no-pager"]);
    let lines = |text: &str| text.lines().map(str::len).max().unwrap();
    assert!(lines(&terminal.ask("?errors")) <= 80);
    let wide = terminal.resize(200, 50).ask("?errors");
    assert!(lines(&wide) > 100, "{wide}");
}

#[test]
fn what_takes_long_shows_that_it_goes_on_and_leaves_nothing_on_the_screen() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("sleep(600)").shows("Ctrl-C stops it").keys(CTRL_C);
    let answer = terminal.answer();
    assert!(answer.starts_with("error: interrupted") && !answer.contains("stops it"), "{answer}");
}

#[test]
fn nothing_but_answers_and_errors_is_written_where_no_terminal_is() {
    let ran = Place::new().code("sleep(0.8); 5");
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "5\n", ""));
}

#[test]
fn maps_and_arrays_are_set_into_lines_of_the_window() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    let map = "#{ name: \"web\", list: [1, 2, 3], text: \"long and longer \", more: [\"x\"] }";
    assert_eq!(
        terminal.ask(&format!("let m = {map}; m.text += m.text + m.text; m")),
        "#{\n  list: [1, 2, 3],\n  more: [\"x\"],\n  name: \"web\",\n  text: \"long and longer long and longer long and longer \",\n}"
    );
    terminal.resize(200, 50);
    assert!(terminal.ask("m").starts_with("#{ list: [1, 2, 3], more:"));
    let layers = terminal.ask("[#{ n: 1, path: \"/a\" }, #{ n: 12, path: \"/b\" }]");
    assert_eq!(layers, " n  path\n 1  /a\n12  /b");
    let bytes = terminal.ask("blob(3, 65)");
    assert!(bytes.contains("|AAA|") && bytes.contains("3 bytes"), "{bytes}");
}

#[test]
fn what_a_file_holds_or_is_called_never_steers_the_terminal() {
    let place = Place::new();
    let code = "mount_direct(layer(\"odd\")); write(\"/a\\x1b[2Jb\", \"x\\x1b]0;title\\x07\\ny\"); ";
    let print = "for name in ls() { print(name); print(read(name)); }";
    let mut terminal = Terminal::start(&place, &["--ephemeral", "-q"]);
    terminal.ask(code);
    assert_eq!(terminal.ask(print), "a\\x1b[2Jb\nx\\x1b]0;title\\x07\ny");
    assert!(terminal.ask("print(`${help(\"sleep\")}`)").starts_with("sleep(seconds)\nWaits"));
    assert_eq!(terminal.ask("read(ls()[0])"), "x\\x1b]0;title\\x07\ny");
    terminal.line("quit");
    terminal.ends();
    let code = format!("{code}{print} read(ls()[0])");
    let mut terminal = Terminal::start(&place, &["--ephemeral", "-q", "-e", &code]);
    terminal.ends();
    let shown = "a\\x1b[2Jb\r\nx\\x1b]0;title\\x07\r\ny\r\nx\\x1b]0;title\\x07\r\ny\r\n";
    assert_eq!(String::from_utf8_lossy(terminal.raw()), shown);
    // a pipe gets the bytes
    assert!(
        place.run(&["--ephemeral", "-q", "-e", &code]).ok().starts_with("a\x1b[2Jb\nx\x1b]0;title\x07\ny\n")
    );
}
