//! What long work shows while it runs, and how it is stopped.

use crate::program::{Place, holds, overlay_works};
use crate::terminal::{CTRL_C, Look, Terminal};

/// Far more than anybody waits for; it takes no room, as it is one hole.
const HUGE: u64 = 1 << 40;

/// Lines that take for ever, and what their bar says; each after the lines that it needs.
fn endless(place: &Place) -> Vec<(&'static str, String, &'static str)> {
    for side in ["left", "right"] {
        let dir = place.path().join(side);
        std::fs::create_dir(&dir).unwrap();
        std::fs::File::create(dir.join("huge")).unwrap().set_len(HUGE).unwrap();
    }
    let at = |side: &str| place.path().join(side).display().to_string();
    let mut lines = vec![
        ("let l = layer(\"l\"); l.write(\"/huge\", \"\")", "l.seal()".to_owned(), "sealing l "),
        ("", format!("diff(layer_at(\"{}\"), layer_at(\"{}\"))", at("left"), at("right")), "comparing "),
    ];
    if overlay_works() {
        let mount = "let m = mount_overlay(layer(\"base\"), #{ name: \"web\" }); write(\"/huge\", \"\"); \
                     resize(\"/huge\", 1099511627776)";
        lines.push((mount, "commit(\"c\")".to_owned(), "committing web "));
    }
    lines
}

#[test]
fn long_work_shows_a_bar_with_rate_and_time_left_and_ctrl_c_leaves_a_clean_line() {
    for look in [Look::default(), Look { columns: 200, rows: 50, locale: "C", ..Look::default() }] {
        let place = Place::new();
        for (before, line, what) in endless(&place) {
            let mut terminal = Terminal::open(&place, look, &[]);
            if !before.is_empty() {
                terminal.ask(before);
            }
            if what.starts_with("sealing") {
                let draft = place.path().join("store/drafts/l/tree/huge");
                std::fs::File::options().write(true).open(draft).unwrap().set_len(HUGE).unwrap();
            }
            terminal.line(&line).shows(what).shows(" of 1.0 TiB  ").shows("/s  ").shows(" left");
            let bar = terminal.row(terminal.screen().cursor_position().0);
            assert!(bar.starts_with(what) && bar.contains(" left"), "{bar}");
            terminal.keys(CTRL_C);
            let answer = terminal.answer();
            holds(&answer, &["interrupted"]);
            assert!(!answer.contains("TiB"), "{answer}");
            assert_eq!(terminal.ask("1 + 1"), "2");
        }
    }
}

#[test]
fn a_terminal_without_escape_codes_and_a_pipe_show_none_of_it() {
    let place = Place::new();
    let (before, line, _) = endless(&place).swap_remove(1);
    let mut terminal = Terminal::open(&place, Look { term: "dumb", ..Look::default() }, &[]);
    assert_eq!(before, "");
    terminal.line(&format!("print(`go${{1}}`); {line}")).shows("go1").keys(CTRL_C);
    assert!(!terminal.answer().contains("TiB"));
}

#[test]
fn what_was_dropped_is_gone_at_once_and_from_the_store_at_the_end() {
    let place = Place::new();
    let make = "let m = mount_direct(layer(\"base\"), #{ name: \"web\" }); \
                for i in 0..3000 { write(`/d${i % 7}/${i}`, \"\"); } ";
    place
        .code(&format!(
            "{make} reset(); assert(diff().is_empty()); m.discard(); assert(mounts().is_empty());"
        ))
        .ok();
    let left = std::fs::read_dir(place.path().join("store/tmp")).unwrap().count();
    assert_eq!(left, 0);
}
