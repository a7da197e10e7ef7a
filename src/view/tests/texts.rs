//! Escapes, widths, cuts; numbers and times; colours; errors, bytes, help.

use insta::assert_snapshot;

use super::super::escape::{fit, fit_end, literal, name, prose, width, wrap};
use super::super::quantity::{age, apart, count, counted, exact_time, size, time};
use super::super::{Paint, bytes, calls, error, words};
use super::{ASCII, PLAIN, Style};
use crate::model::Timestamp;

#[test]
fn names_are_shown_so_that_no_terminal_obeys_them_and_no_two_look_the_same() {
    let cases: [(&[u8], &str, &str); 17] = [
        (b"plain.txt", "plain.txt", "plain.txt"),
        (b"\x1b[31mred\x07", r"\x1b[31mred\x07", r"\x1b[31mred\x07"),
        (b"a\nb\tc\rd\x7f", r"a\nb\tc\rd\x7f", r"a\nb\tc\rd\x7f"),
        (br"back\nslash", r"back\\nslash", r"back\\nslash"),
        (b" in the middle ", r"\x20in the middle\x20", r"\x20in the middle\x20"),
        (b"   ", r"\x20\x20\x20", r"\x20\x20\x20"),
        (b"\xff\xc3", r"\xff\xc3", r"\xff\xc3"),
        (b"\xc3\xbf", "ÿ", r"\u{ff}"),
        ("\u{9b}2J".as_bytes(), r"\u{9b}2J", r"\u{9b}2J"),
        ("a\u{202e}gpj.b".as_bytes(), r"a\u{202e}gpj.b", r"a\u{202e}gpj.b"),
        ("a\u{200b}b\u{feff}".as_bytes(), r"a\u{200b}b\u{feff}", r"a\u{200b}b\u{feff}"),
        ("a\u{a0}b\u{3000}c".as_bytes(), r"a\u{a0}b\u{3000}c", r"a\u{a0}b\u{3000}c"),
        ("e\u{301}".as_bytes(), "e\u{301}", r"e\u{301}"),
        ("\u{301}e".as_bytes(), r"\u{301}e", r"\u{301}e"),
        ("漢字".as_bytes(), "漢字", r"\u{6f22}\u{5b57}"),
        ("👍🏽".as_bytes(), r"👍\u{1f3fd}", r"\u{1f44d}\u{1f3fd}"),
        ("🇩🇪".as_bytes(), r"\u{1f1e9}\u{1f1ea}", r"\u{1f1e9}\u{1f1ea}"),
    ];
    for (raw, unicode, ascii) in cases {
        assert_eq!(name(raw, &PLAIN), unicode, "{raw:?}");
        assert_eq!(name(raw, &ASCII), ascii, "{raw:?}");
    }
}

#[test]
fn a_tower_of_combining_characters_ends_in_escapes() {
    let tower = format!("a{}", "\u{301}".repeat(6));
    assert_eq!(name(tower.as_bytes(), &PLAIN), format!("a{}\\u{{301}}\\u{{301}}", "\u{301}".repeat(4)));
}

#[test]
fn words_keep_their_backslashes_and_lose_only_signs_that_ascii_lacks() {
    assert_eq!(prose(r"C:\x … → ✓", &PLAIN), r"C:\x … → ✓");
    assert_eq!(prose("a … b → c — d", &ASCII), "a ... b -> c - d");
    assert_eq!(prose("\x1b[2J", &ASCII), r"\x1b[2J");
}

#[test]
fn literals_are_strings_that_a_script_reads_back() {
    for text in ["/usr/share", "a\"b\\c", "\x1b[31m\n\t\r\x7f", "\u{202e}漢\u{e0041}é", "${x} `y`"] {
        for style in [PLAIN, ASCII] {
            let written = literal(text, &style);
            let read: String = rhai::Engine::new().eval(&written).unwrap();
            assert_eq!(read, text, "{written}");
            assert!(style.unicode || written.is_ascii(), "{written}");
        }
    }
}

#[test]
fn wide_characters_take_two_columns_and_combining_ones_none() {
    assert_eq!((width("漢字.txt"), width("e\u{301}"), width("👍")), (8, 1, 2));
    assert_eq!(fit("漢字の名前.txt", 9, &PLAIN), "漢字….txt");
    assert_eq!(fit("漢字の名前.txt", 8, &PLAIN), "漢….txt");
    assert_eq!(fit("a-long-name.tar.gz", 11, &PLAIN), "a-lon…ar.gz");
    assert_eq!(fit("abc", 0, &PLAIN), "");
    assert_eq!(fit("ae\u{301}bcd", 3, &PLAIN), "a…d");
    assert_eq!(fit_end("漢字漢字", 4, &PLAIN), "漢…");
    assert_eq!(fit_end("漢字漢字", 4, &ASCII), "漢~");
}

#[test]
fn words_are_set_into_lines_that_fit() {
    assert_eq!(wrap("one two three", 7, &PLAIN), ["one two", "three"]);
    assert_eq!(wrap("a verylongword b", 6, &PLAIN), ["a", "ve…ord", "b"]);
    assert_eq!(wrap("", 6, &PLAIN), [""]);
    assert_eq!(wrap("a file of 15 B, or 2 more", 11, &PLAIN), ["a file of", "15 B, or 2", "more"]);
    assert_eq!(wrap("call `ls -l /a b` now", 12, &PLAIN), ["call", "`ls -l /a b`", "now"]);
    assert_eq!(wrap("call `ls -l /a b` now", 9, &PLAIN), ["call `ls", "-l /a b`", "now"]);
    assert_eq!(wrap("two   spaces", 5, &PLAIN), ["two", "sp…es"]);
}

#[test]
fn sizes_counts_and_ages_as_people_read_them() {
    let sizes = [0, 11, 1023, 1024, 20_480, 1_048_575, 1_048_576, 167_000_000, u64::MAX];
    assert_eq!(
        sizes.map(size),
        ["0 B", "11 B", "1023 B", "1.0 KiB", "20.0 KiB", "1.0 MiB", "1.0 MiB", "159.3 MiB", "16.0 EiB"]
    );
    assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(
        [counted(1, "directory"), counted(2, "directory"), counted(0, "file")],
        ["1 directory", "2 directories", "0 files"]
    );
    let at = |secs| Timestamp { secs, nanos: 0 };
    let ages = [0, 59, 60, 3600, 172_799, 172_800, 5_184_000, 63_072_000]
        .map(|past| age(at(1_000_000_000 - past), at(1_000_000_000)));
    assert_eq!(
        ages,
        [
            "just now",
            "59 s ago",
            "1 min ago",
            "1 h ago",
            "47 h ago",
            "2 days ago",
            "2 months ago",
            "2 years ago"
        ]
    );
    assert_eq!(age(at(100), at(50)), "1970-01-01T00:01:40Z");
}

#[test]
fn times_are_utc_for_any_year() {
    let at = |secs, nanos| Timestamp { secs, nanos };
    assert_eq!(time(at(951_782_400, 5)), "2000-02-29T00:00:00Z");
    assert_eq!(exact_time(at(951_782_400, 5)), "2000-02-29T00:00:00.000000005Z");
    assert_eq!(apart(at(0, 0), at(86_400, 0)), ["1970-01-01", "1970-01-02"]);
    assert_eq!(apart(at(0, 7), at(61, 0)), ["00:00:00Z", "00:01:01Z"]);
    assert_eq!(apart(at(0, 7), at(0, 8)), ["00:00:00.000000007Z", "00:00:00.000000008Z"]);
    assert_eq!(time(at(-1, 0)), "1969-12-31T23:59:59Z");
    assert_eq!(time(at(4_107_542_400, 0)), "2100-03-01T00:00:00Z");
}

/// The relative luminance of a colour of the 256-colour palette's fixed part.
///
/// # Source
/// WCAG 2.2, "relative luminance" and "contrast ratio"; xterm, `256colres.pl`.
fn luminance(color: u8) -> f64 {
    let cube = |step: u8| if step == 0 { 0.0 } else { f64::from(step) * 40.0 + 55.0 };
    let parts = match color {
        16..=231 => [(color - 16) / 36, (color - 16) / 6 % 6, (color - 16) % 6].map(cube),
        232.. => [f64::from(color - 232) * 10.0 + 8.0; 3],
        _ => panic!("{color} is the theme's"),
    };
    let [red, green, blue] = parts.map(|part| {
        let part = part / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[test]
fn every_colour_stands_out_from_black_and_from_white() {
    use Paint::{Added, Caret, Changed, Deleted, Dim, Error, Hint, Layer, Opaque, Upper};
    let style = Style { color: true, ..PLAIN };
    let paints = [Added, Changed, Deleted, Opaque, Dim, Error, Hint, Caret, Upper];
    for paint in paints.into_iter().chain((0..12).map(Layer)) {
        let code = style.paint(paint, "x");
        let color = code.split("38;5;").nth(1).unwrap().split([';', 'm']).next().unwrap().parse().unwrap();
        let luminance = luminance(color);
        let (black, white) = ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05));
        assert!(black >= 3.0 && white >= 3.0, "{paint:?} {color}: {black:.1} {white:.1}");
    }
}

#[test]
fn without_colours_there_is_no_escape_code() {
    for paint in [Paint::Heading, Paint::Deleted, Paint::Upper, Paint::Layer(3)] {
        assert_eq!(PLAIN.paint(paint, "x"), "x");
    }
}

#[test]
fn an_error_is_a_block_whose_causes_are_told_once() {
    let causes = ["no space left on device (ENOSPC)".to_owned()];
    let hint = Some("free some space, or `--store DIR`");
    assert_snapshot!(error("cannot write `/a`", &causes, hint, &PLAIN), @r"
    error: cannot write `/a`
      caused by: no space left on device (ENOSPC)
      hint: free some space, or `--store DIR`
    ");
    assert_snapshot!(error("cannot write: no space left on device (ENOSPC)", &causes, None, &PLAIN), @"error: cannot write: no space left on device (ENOSPC)");
    let narrow = Style::plain(40);
    let hint =
        Some("write `mount(\"base\", \"app\")`, or `commit(\"a-name-that-is-far-too-long-for-a-line\")`");
    assert_snapshot!(error("words are set into lines where they end", &[], hint, &narrow), @r#"
    error: words are set into lines where
           they end
      hint: write `mount("base", "app")`, or
            `commit("a-name-that-is-far-too-long-for-a-line")`
    "#);
    assert_snapshot!(error("two\nlines and \x1b[31m", &[], None, &PLAIN), @r"
    error: two
           lines and \x1b[31m
    ");
}

#[test]
fn bytes_as_a_bounded_dump() {
    let data: Vec<u8> = (0..=255).cycle().take(300).collect();
    assert_snapshot!(bytes(&data[..40], &PLAIN), @r##"
    00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|
    00000010  10 11 12 13 14 15 16 17  18 19 1a 1b 1c 1d 1e 1f  |................|
    00000020  20 21 22 23 24 25 26 27                           | !"#$%&'|
    40 bytes
    "##);
    assert_snapshot!(bytes(&data, &Style { width: 60, ..PLAIN }).lines().last().unwrap(), @"… 172 more of 300 bytes");
}

#[test]
fn help_tells_of_each_call_what_fits() {
    let rows = [
        ("layer(name)", "Opens the layer of that name or ID, or starts an empty draft."),
        ("set_xattr(path, name, value)", "Sets an extended attribute."),
        ("check()", "Looks through the whole store for damage: every layer is read and hashed again."),
        ("sh(cmd)", "Runs a host shell in the merged directory and streams whatever it has to say."),
        (
            "exit(…)",
            "Gives the `mount -t overlay …` line, as typed (in the kernel's order, top first), for this.",
        ),
    ];
    let rows = || rows.iter().map(|(call, summary)| ((*call).to_owned(), *summary));
    assert_snapshot!(calls(rows(), &PLAIN), @r"
    layer(name)                   Opens the layer of that name or ID
    set_xattr(path, name, value)  Sets an extended attribute
    check()                       Looks through the whole store for damage
    sh(cmd)                       Runs a host shell in the merged directory and…
    exit(…)                       Gives the `mount -t overlay …` line
    ");
    assert_snapshot!(calls(rows(), &Style { width: 60, ..ASCII }), @r"
    layer(name)                   Opens the layer of that~
    set_xattr(path, name, value)  Sets an extended attribute
    check()                       Looks through the whole~
    sh(cmd)                       Runs a host shell in the~
    exit(...)                     Gives the `mount -t overlay~
    ");
}

#[test]
fn running_text_keeps_its_own_lines() {
    let text = "One sentence that is longer than the line may be.\n\nAnother → one.";
    assert_snapshot!(words(Paint::Plain, 2, text, &Style { width: 30, ..ASCII }), @r"
    One sentence that is longer
    than the line may be.

    Another -> one.
    ");
}
