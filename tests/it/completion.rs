//! Tab at the prompt.

use vt100::Color;

use crate::program::Place;
use crate::terminal::{CTRL_C, CTRL_U, ESCAPE, Look, TAB, Terminal};

const MOUNTED: &str = "let b = layer(\"base\"); b.write(\"/etc/motd\", \"hi\"); b.write(\"/etc/motd.old\", \"hi\"); \
                       b.write(\"/it's \\\"x\\\"\", \"hi\"); let m = mount_direct(b, #{ name: \"box\" }); ()";

#[test]
fn functions_are_listed_with_what_they_take_and_do_and_the_only_one_is_typed() {
    for (columns, rows) in [(80, 24), (200, 50)] {
        let place = Place::new();
        let mut terminal = Terminal::open(&place, Look { columns, rows, ..Look::default() }, &[]);
        terminal.prompt().keys("moun").keys(TAB).wait_until("the list", |seen| {
            seen.row(2).starts_with("mount(stack, … [, options])  ") && seen.row(6).starts_with("mounts()  ")
        });
        terminal.wait_until("the line again", |seen| seen.row(7) == "ufs> mount");
        assert!(terminal.row(2).contains("Mounts a stack by the best driver"));
        assert_ne!(terminal.ink("Mounts a stack by the best").fgcolor(), Color::Default);
        terminal
            .keys("_o")
            .keys(TAB)
            .wait_until("the call", |seen| seen.row(7).starts_with("ufs> mount_overlay("));
    }
}

#[test]
fn a_session_is_typed_with_the_tab_key() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask(MOUNTED);
    terminal
        .keys("b.rea")
        .keys(TAB)
        .keys("(\"e")
        .keys(TAB)
        .keys("mo")
        .keys(TAB)
        .wait_for("> b.read(\"etc/motd");
    terminal.keys(".").keys(TAB).wait_for("> b.read(\"etc/motd.old\")").enter();
    assert_eq!(terminal.answer().lines().last(), Some("hi"));
    terminal.keys("read(\"it").keys(TAB).wait_for("> read(\"it's \\\"x\\\"\")").enter();
    assert_eq!(terminal.answer(), "hi");
    terminal.keys("use_m").keys(TAB).keys(TAB).wait_for("\"box\"").keys("\"b").keys(TAB);
    terminal.wait_for("use_mount(\"box\")").keys(CTRL_U).keys("m.uppe").keys(TAB).keys(".entr").keys(TAB);
    terminal.wait_for("m.upper.entries()").keys(CTRL_U);
    terminal.keys("mount(b, #{ re").keys(TAB).keys("tr").keys(TAB).wait_for("> mount(b, #{ read_only: true");
}

#[test]
fn a_list_is_as_long_as_the_screen_and_says_what_is_left_out() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal
        .ask("let l = layer(\"many\"); for n in 0..300 { l.write(`/d/file-of-a-long-name-${n}`, \"\"); }");
    terminal.keys("l.read(\"d/").keys(TAB).wait_until("the rest", |seen| {
        let contents = seen.screen().contents();
        contents.contains(" more\n") && contents.ends_with("ufs> l.read(\"d/file-of-a-long-name-")
    });
    let contents = terminal.screen().contents();
    let list = contents.lines().filter(|line| line.starts_with("file-of"));
    let shown = list.map(|line| line.matches("file-of-a-long-name-").count()).sum::<usize>();
    assert!(shown > 30, "{shown}");
    assert!(contents.contains(&format!("… {} more", 300 - shown)), "{contents}");
    terminal.keys("299").keys(TAB).keys("; 1").enter();
    assert_eq!(terminal.answer(), "1");
}

#[test]
fn names_that_would_move_the_cursor_are_shown_escaped() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, Look { locale: "C", ..Look::default() }, &[]);
    terminal.ask("let l = layer(\"odd\"); l.write(\"/a\\x1b[2J\", \"1\"); l.write(\"/a\\nb\", \"2\"); l.write(\"/aé\", \"3\"); ()");
    terminal.keys("l.read(\"a").keys(TAB).wait_for("a\\x1b[2J").wait_for("a\\nb").wait_for("a\\u{e9}");
    terminal.keys("\\n").keys(TAB).wait_for("ufs> l.read(\"a\\nb\")").enter();
    assert_eq!(terminal.answer(), "2");
}

#[test]
fn tab_in_a_paste_and_at_the_beginning_of_a_line_is_space() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().paste("if true {\n\tmou\t\n}").wait_for("}");
    terminal.wait_until("no list", |seen| !seen.screen().contents().contains("mount("));
    terminal.keys(CTRL_C).prompt().keys("[1,\r2,\r").keys(TAB).keys("3]").enter();
    terminal.wait_for("[1, 2, 3]");
}

#[test]
fn the_keys_may_be_those_of_vi() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("edit_mode(\"vi\")"), "vi");
    terminal.keys("12 + 30").wait_for("ufs> 12 + 30").keys(ESCAPE).keys("0x").enter();
    assert_eq!(terminal.answer(), "32");
    terminal.keys("if true {\r40 + 2\r").keys("}").enter();
    terminal.shows("42");
    assert_eq!(terminal.ask("edit_mode(\"emacs\")"), "emacs");
    terminal.keys("1 + 1").keys(ESCAPE).keys("b0").enter();
    assert_eq!(terminal.answer(), "2");
    assert!(terminal.ask("edit_mode(\"ed\")").contains("it is `emacs` or `vi`"));
}
