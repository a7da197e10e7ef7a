//! What the screen shows, in terminals of all kinds.

use nix::sys::signal::Signal;
use vt100::Color;

use crate::program::{Place, holds};
use crate::terminal::{
    ALT_ENTER, CTRL_A, CTRL_C, CTRL_D, CTRL_L, CTRL_R, CTRL_Z, DOWN, ENTER, LEFT, Look, RIGHT, Terminal, UP,
};

/// Terminals of all kinds: two sizes, two sorts, two locales.
fn looks() -> impl Iterator<Item = Look> {
    let sizes = [(80, 24), (200, 50)].into_iter();
    sizes.flat_map(|(columns, rows)| {
        ["xterm-256color", "dumb"].into_iter().flat_map(move |term| {
            ["C.UTF-8", "C"].into_iter().map(move |locale| Look { columns, rows, term, locale })
        })
    })
}

const MOUNTED: &str =
    "let b = layer(\"base\"); b.write(\"/motd\", \"hi\"); mount_direct(b); write(\"/new\", \"1\"); ()";

#[test]
fn a_session_does_the_same_in_every_terminal() {
    for look in looks() {
        let place = Place::new();
        let mut terminal = Terminal::open(&place, look, &[]);
        assert_eq!(terminal.ask(MOUNTED), "");
        assert_eq!(terminal.ask("read(\"/new\") + read(\"/motd\")"), "1hi");
        terminal.line("fn twice(n) {").keys("n * 2\r}\r");
        assert_eq!(terminal.ask("twice(21)"), "42");
        let shown = terminal.ask("show");
        holds(&shown, &["base", "motd", "new"]);
        assert!(look.locale == "C.UTF-8" || shown.is_ascii(), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= look.columns.into()), "{shown}");
        terminal.keys(CTRL_D);
        assert_eq!(terminal.ends(), 0);
        let escapes = terminal.raw().contains(&b'\x1b');
        assert_eq!(escapes, look.term != "dumb", "escape codes are for terminals that know them");
    }
}

#[test]
fn views_are_coloured_unless_that_is_not_wanted() {
    for (place, coloured) in [(Place::new(), true), (Place::new().with("NO_COLOR", "1"), false)] {
        let mut terminal = Terminal::start(&place, &[]);
        terminal.ask(MOUNTED);
        terminal.ask("show");
        for text in ["motd", "new in upper"] {
            assert_eq!(terminal.ink(text).fgcolor() != Color::Default, coloured, "{text}");
        }
        let painted = terminal.raw().windows(4).any(|bytes| bytes == b"38;5");
        assert_eq!(painted, coloured);
    }
}

#[test]
fn errors_are_in_colours_that_are_read_on_black_and_on_white() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("layer(\"b\").wirte(\"/a\", \"1\")");
    for (text, color) in [("error", 160), ("│", 243), ("━", 160)] {
        assert_eq!(terminal.ink(text).fgcolor(), Color::Idx(color), "{text}");
    }
}

#[test]
fn a_window_that_changes_its_size_is_drawn_anew() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    let long = format!("let x = \"{}", "0123456789".repeat(9));
    terminal.prompt().keys(&long).wait_for("6789");
    terminal.wait_until("the whole line, over two rows", |seen| {
        seen.row(2).ends_with("6789") && seen.row(2).len() < 80
    });
    terminal.resize(120, 30);
    terminal
        .wait_until("the line in one row", |seen| (0..30).any(|row| seen.row(row) == format!("ufs> {long}")));
    terminal.keys("\"; x.len()").enter();
    assert_eq!(terminal.answer(), "90");
    assert_eq!(terminal.ask("!stty size"), "30 120");
}

#[test]
fn wide_characters_take_two_columns() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys("\"層層ab\".len()");
    terminal
        .wait_until("the cursor behind it", |seen| seen.screen().cursor_position().1 == 5 + 2 + 4 + 2 + 6);
    terminal.keys(&LEFT.repeat(8)).keys("x");
    terminal
        .wait_until("it before the `b`", |seen| seen.screen().contents().ends_with("ufs> \"層層axb\".len()"));
    terminal.keys(&RIGHT.repeat(8)).enter();
    assert_eq!(terminal.answer(), "5");
}

#[test]
fn a_script_that_is_pasted_is_one_entry() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().paste("let n = 0;\nfor i in 0..10 {\n    n += i;\n}\n\nlet s = `a\n\nb`;\nn + s.len()");
    terminal.wait_for("n + s.len()").enter();
    assert_eq!(terminal.answer().lines().last(), Some("49"));
    terminal.keys(UP).wait_until("all of it again", |seen| {
        seen.screen().contents().matches("for i in 0..10 {").count() == 2
    });
    terminal.enter();
    assert_eq!(terminal.answer().lines().last(), Some("49"));
}

#[test]
fn a_line_is_found_again_and_edited() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    for line in ["1 + 1", "let kept = 20", "3 + 3"] {
        terminal.ask(line);
    }
    terminal
        .keys(CTRL_R)
        .keys("kep")
        .wait_for("let kept = 20")
        .keys(RIGHT)
        .keys(CTRL_A)
        .keys("print(1); ")
        .enter();
    assert_eq!(terminal.answer(), "1");
    terminal.keys(UP).keys(UP).keys(UP).keys(DOWN).keys(ALT_ENTER).keys("+ 4").enter();
    assert_eq!(terminal.answer(), "+ 4\n10", "a line of the history went on in a second line");
    terminal.keys(CTRL_L).wait_until("the prompt on top", |seen| seen.screen().contents() == "ufs> ");
}

#[test]
fn ctrl_z_stops_it_and_fg_brings_it_back() {
    let place = Place::new();
    let shell = ["bash", "--norc", "--noprofile", "-i"];
    let mut terminal = Terminal::run(&place.with("PS1", "host: "), Look::default(), &shell);
    terminal.wait_for("host: ").keys(env!("CARGO_BIN_EXE_ufs")).keys(ENTER);
    terminal.prompt().ask("let kept = 7; let half = 1");
    terminal.keys("half").wait_for("ufs> half").keys(CTRL_Z).wait_for("Stopped");
    terminal
        .keys("fg\r")
        .wait_until("what was typed", |seen| seen.screen().contents().ends_with("ufs> half"))
        .enter();
    assert_eq!(terminal.answer(), "1");
    assert_eq!(terminal.ask("kept"), "7");
    terminal.keys(CTRL_D).wait_until("the shell again", |seen| seen.screen().contents().ends_with("host: "));
    terminal.keys("exit $?\r");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn ctrl_c_drops_what_was_typed_in_all_its_lines() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys("fn f() {").keys(ENTER).keys("nonsense (").wait_for("nonsense (").keys(CTRL_C);
    assert_eq!(terminal.ask("1 + 1"), "2");
    terminal.keys("half").wait_for("ufs> half").keys(CTRL_C);
    assert_eq!(terminal.ask("2 + 2"), "4");
}

#[test]
fn a_terminal_that_knows_no_escape_codes_is_as_usable() {
    let place = Place::new();
    let dumb = Look { term: "dumb", ..Look::default() };
    let mut terminal = Terminal::open(&place, dumb, &[]);
    terminal.line("fn twice(n) {").wait_for("\n...> ").keys("n * 2\r}\r");
    assert_eq!(terminal.ask("twice(21)"), "42");
    terminal.prompt().keys("half a li").wait_for("half a li").keys(CTRL_C);
    terminal
        .wait_for("half a li^C\nufs> ")
        .line("if true {")
        .shows("...>")
        .keys(CTRL_C)
        .shows("...> ^C\nufs>");
    terminal.line("print(`go${1}`); loop {}").shows("go1").keys(CTRL_C);
    holds(&terminal.line("[1,").keys("2\r\r3\r\r\r").answer(), &["error: ", "4 │ 3"]);
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    let mut terminal = Terminal::open(&place, dumb, &[]);
    terminal.ask("mount_direct(layer(\"b\"), #{ name: \"box\" }); write(\"/a\", \"1\")");
    terminal.signal(Signal::SIGTERM);
    terminal.shows("`box` has uncommitted changes, kept in the store");
    assert_eq!(terminal.ends(), 143);
    // what was typed in one kind of terminal is known in another
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys(UP).wait_for("ufs> mount_direct(");
}

#[test]
fn values_that_go_to_a_file_leave_the_prompt_on_the_screen() {
    let place = Place::new();
    let command = format!("exec {} > values", env!("CARGO_BIN_EXE_ufs"));
    let mut terminal = Terminal::run(&place, Look::default(), &["sh", "-c", &command]);
    terminal.wait_for("ufs> ").keys("20 +\r").wait_for("...> ").keys("1\r").wait_for("1\nufs> ").keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    assert_eq!(std::fs::read_to_string(place.path().join("values")).unwrap(), "21\n");
}
