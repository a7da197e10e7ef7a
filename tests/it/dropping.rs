//! What destroys something says so: it asks at the prompt, and tells it in scripts.

use crate::program::{Place, holds};
use crate::terminal::{CTRL_C, CTRL_D, Terminal};

const MOUNT: &str = r#"let b = layer("b", #{ fresh: true }); b.write("/1", "one"); b.write("/d/2", "two");
    let m = mount_direct(b, #{ name: "m" }); "#;

#[test]
fn scripts_tell_what_they_dropped() {
    let place = Place::new().with("SOURCE_DATE_EPOCH", "0");
    let told = |code: &str| {
        let ran = place.code(&format!("{MOUNT}{code}"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.err.lines().filter(|line| line.starts_with("dropped ")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        told(r#"write("/new", "abc"); rm("/1"); chmod("/d", "0700"); reset(); reset(); m.discard();"#),
        "dropped what is not committed in `m` (3 changes, 3 B): `/1`, `/d` and `/new`"
    );
    assert_eq!(
        told(r#"for n in 0..7 { write("/n/" + n, "1234"); } m.discard(); remove("b");"#).replace('\n', " | "),
        "dropped what is not committed in `m` (7 changes, 28 B): `/n/0`, `/n/1`, `/n/2`, `/n/3`, `/n/4` and 2 more \
         | dropped the layer `b`, which nothing else uses (2 files, 6 B); until `gc()` its ID finds it: \
         `layer(\"6eb2c3\")`"
            .replace("6eb2c3", &place_id(&place)),
    );
    assert_eq!(
        told(r#"m.rm_all("/"); m.discard();"#),
        "dropped all that `m` shows (3 names)\ndropped what is not committed in `m` (2 changes, 0 B): `/1` and `/d`"
    );
    holds(
        &told(r#"remove("b"); m.discard();"#),
        &["dropped the name `b`; the layer ", " stays, as the mount `m` needs it"],
    );
    assert_eq!(
        told(
            r#"layer("x").write("/f", "1"); layer("x", #{ fresh: true }); layer("y"); remove("y"); m.discard();"#
        ),
        "dropped the draft `x` (1 change, 1 B): `/f`"
    );
    let tar = place.path().join("x.tar");
    assert_eq!(
        told(&format!(
            "b.export_tar({tar:?}); b.export_tar({tar:?}); b.export_tar({tar:?}, #{{ force: true }}); m.discard();"
        )),
        format!("dropped the earlier `{}` (3.0 KiB)", tar.display())
    );
    let sure = r#"write("/x", "1"); reset(true); rm_all("/", true); m.discard(true); remove("b", true);"#;
    assert_eq!(told(sure), "");
    let quiet = place.run(&[
        "-q",
        "-e",
        &format!("{MOUNT}write(\"/new\", \"1\"); reset(); rm_all(\"/\"); m.discard(); remove(\"b\")"),
    ]);
    assert_eq!((&*quiet.err, quiet.code), ("", 0));
}

/// The ID that the layer of the last run had, short.
fn place_id(place: &Place) -> String {
    let mut items = std::fs::read_dir(place.store().join("layers/sha256")).unwrap();
    items.next().unwrap().unwrap().file_name().into_string().unwrap()[..12].to_owned()
}

#[test]
fn the_prompt_asks_before_it_drops_and_only_yes_is_yes() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask(&MOUNT.replace('\n', " "));
    terminal.ask(r#"write("/new", "abc"); ()"#);
    let question = "`reset` drops what is not committed in `m` (1 change, 3 B): `/new`";
    for (no, seen) in [("\r", ""), ("no\r", "no"), ("yess\r", "yess"), (CTRL_D, ""), (CTRL_C, "^C")] {
        terminal.line("reset(); print(\"went on\")").shows("go on? [y/N]").keys(no);
        let answer = terminal.answer();
        let want = format!("{question}\ngo on? [y/N] {seen}");
        assert_eq!(answer.trim_end(), format!("{}\nnothing was dropped", want.trim_end()), "{no:?}");
        assert_eq!(terminal.ask("exists(\"/new\")"), "true");
    }
    terminal.line("reset").shows("go on? [y/N]").keys("Y\r");
    terminal.answer();
    assert_eq!(terminal.ask("exists(\"/new\")"), "false");
    // nothing to lose, and who is sure
    assert_eq!(terminal.ask("reset"), "");
    assert_eq!(terminal.ask("write(\"/a\", \"1\"); reset(true); exists(\"/a\")"), "false");
    terminal.line("rm_all(\"/\")").shows("go on? [y/N]").keys("\r");
    holds(&terminal.answer(), &["`rm_all` drops all that `m` shows (3 names)", "nothing was dropped"]);
    assert_eq!(terminal.ask("rm_all(\"/d\"); ls()"), r#"["1"]"#);
    terminal.line("m.discard()").shows("go on? [y/N]").keys("y\r");
    terminal.answer();
    terminal.line("remove(\"b\")").shows("go on? [y/N]").keys("n\r");
    terminal.answer();
    assert_eq!(terminal.ask("layers().len()"), "1");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}

/// What runs before the first line, and a plain terminal.
#[test]
fn the_start_up_file_is_not_asked_and_a_plain_terminal_is() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join(".config/ufs")).unwrap();
    place.file(
        ".config/ufs/init.rhai",
        &format!("{MOUNT} write(\"/new\", \"abc\"); reset(); write(\"/again\", \"\");"),
    );
    let look = crate::terminal::Look { term: "dumb", ..Default::default() };
    let mut terminal = Terminal::open(&place, look, &[]);
    terminal.wait_for("dropped what is not committed").wait_for("ufs m:direct*>");
    terminal.keys("reset\r").wait_for("go on? [y/N]").keys("y\r").wait_for("ufs m:direct>");
    terminal.keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
}
