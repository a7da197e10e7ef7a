//! Typing at the prompt: colours, lines that go on, hints, history.

use vt100::Color;

use crate::program::Place;
use crate::terminal::{ALT_ENTER, CTRL_C, CTRL_E, CTRL_R, DOWN, END, ENTER, LEFT, Look, RIGHT, Terminal, UP};

#[test]
fn what_is_typed_is_coloured_by_what_it_is() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("let known = 1; fn mine() {}");
    terminal.prompt().keys("if known { mount(`a${12}`, mine(), nothing()) // end");
    terminal.wait_for("// end");
    let plain = terminal.ink(", nothing").fgcolor();
    let colours = ["if known", "known {", "mount(", "`a", "12", "mine(", "// end"]
        .map(|text| (text, terminal.ink(text).fgcolor()));
    for (text, colour) in colours {
        assert_ne!(colour, plain, "{text}");
    }
    assert_eq!(terminal.ink("nothing()").fgcolor(), plain, "an unknown name is as good as one to come");
    assert_eq!(terminal.ink("mine(").fgcolor(), terminal.ink("mount(").fgcolor());
    terminal.keys(CTRL_C).prompt().keys("} \"a").wait_for("\"a");
    assert_eq!(terminal.ink("} \"a").fgcolor(), Color::Idx(160), "it closes nothing");
}

#[test]
fn the_bracket_at_the_cursor_and_its_pair_stand_out() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys("f([1], (2))");
    let stands_out = |terminal: &Terminal, text: &str| terminal.ink(text).bold();
    terminal.wait_until("the pair", |seen| seen.row(1).ends_with("(2))") && stands_out(seen, "([1]"));
    terminal.keys(LEFT).keys(LEFT);
    terminal.wait_until("the inner pair", |seen| stands_out(seen, "(2))") && !stands_out(seen, "([1]"));
    terminal.keys(END).keys(ENTER);
    terminal.prompt();
    assert!(!stands_out(&terminal, "([1]"), "nothing is left on the screen of what was for editing");
}

#[test]
fn without_colours_nothing_is_hinted_or_painted() {
    for place in
        [Place::new().with("NO_COLOR", "1"), Place::new().with("CLICOLOR", "0").with("NO_COLOR", "yes")]
    {
        let mut terminal = Terminal::start(&place, &[]);
        terminal.ask("let known = \"text\"");
        terminal.keys("let").wait_for("ufs> let");
        terminal
            .keys(" x = [")
            .keys(ENTER)
            .wait_until("the next line", |seen| seen.row(3).is_empty() && seen.row(2).ends_with('['));
        terminal.keys("1]").keys(ENTER);
        assert_eq!(terminal.ask("x"), "[1]");
        assert!(!terminal.raw().windows(4).any(|bytes| bytes == b"38;5"));
    }
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &["--color", "never"]);
    terminal.ask("let known = \"text\"");
    assert!(!terminal.raw().windows(4).any(|bytes| bytes == b"38;5"));
}

#[test]
fn the_next_line_is_indented_with_a_guide_and_a_closing_bracket_goes_back() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("let text = \"\"; for i in 0..2 {");
    terminal.keys("if true {\rtext += `${i}\ra`\r}\r");
    terminal.wait_until("the guides", |seen| {
        let contents = seen.screen().contents();
        contents.contains("\n│   if true {\n│   │   text += `${i}\na`\n│   }\n│")
    });
    terminal.keys("}\r");
    assert_eq!(terminal.ask("text"), "0\na1\na");
    let contents = terminal.screen().contents();
    assert!(contents.contains("\n    if true {\n        text += `${i}\na`\n    }\n}\n"), "{contents}");
}

#[test]
fn the_guides_are_ascii_where_the_locale_is() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, Look { locale: "C", ..Look::default() }, &[]);
    terminal.line("if true {").keys("1").wait_for("\n|   1");
    assert!(terminal.screen().contents().is_ascii());
}

#[test]
fn two_empty_lines_end_an_entry_one_may_stand_in_it_and_alt_enter_begins_one() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("let x = [1,").wait_for("two empty lines end it");
    terminal.keys(ENTER).keys(ENTER).shows("error: ");
    // as a script comes that is pasted where the terminal does not say so
    terminal.prompt().keys("fn twice(x) {\r    // doubled\r\r    x * 2\r}\r");
    assert_eq!(terminal.ask("twice(21)"), "42");
    terminal
        .prompt()
        .keys("1;")
        .keys(ALT_ENTER)
        .keys("2;")
        .keys(ALT_ENTER)
        .keys(ALT_ENTER)
        .keys("40 + 2")
        .enter();
    terminal.shows("\n42\n");
}

#[test]
fn a_line_that_begins_as_an_earlier_one_hints_at_its_rest() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("let first = 11 + 1");
    terminal.ask("let second = [1, 2]");
    for (keys, whole) in [(RIGHT, "second = [1, 2]"), (END, "second = [1, 2]"), (CTRL_E, "second = [1, 2]")] {
        terminal.prompt().keys("let").wait_for("ufs> let second = [1, 2]");
        terminal.wait_until("the cursor before it", |seen| seen.screen().cursor_position().1 == 8);
        assert_ne!(terminal.ink("second = [1, 2]").fgcolor(), Color::Default);
        terminal.keys(keys).wait_until("the cursor behind it", |seen| seen.screen().cursor_position().1 > 20);
        assert!(terminal.screen().contents().contains(&format!("ufs> let {whole}")));
        terminal.keys(CTRL_C);
    }
    terminal.prompt().keys("let f").wait_for("ufs> let first = 11 + 1").keys("\x1bf");
    terminal.wait_until("one word", |seen| seen.screen().cursor_position().1 == 14);
    terminal.keys(ENTER);
    assert_eq!(terminal.ask("first == ()"), "true", "what is hinted and not taken is not run");
}

#[test]
fn lines_are_kept_once_whole_and_without_what_begins_with_a_space() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("11 + 1");
    terminal.line("if true {").keys("22\r}\r");
    terminal.ask("11 + 1");
    terminal.ask(" 33 + 3");
    terminal.prompt().keys(UP).wait_for("ufs> 11 + 1").keys(UP);
    terminal
        .wait_until("the entry before", |seen| seen.screen().contents().matches("if true {").count() == 2);
    terminal.keys(UP).keys(UP).wait_for("22").keys(CTRL_C);
    terminal.line("quit");
    assert_eq!(terminal.ends(), 0);
    let mut next = Terminal::start(&place, &[]);
    next.prompt().keys(CTRL_R).keys("22").wait_for("if true {").keys(ENTER);
    next.wait_until("its value", |seen| seen.screen().contents().contains("}\n22\n"));
    next.prompt().keys(UP).keys(UP).keys(UP).keys(UP).wait_for("ufs> quit");
    next.keys(DOWN).keys(DOWN).keys(DOWN).keys(DOWN).keys("1 + 1").enter();
    assert_eq!(next.answer(), "2");
}
