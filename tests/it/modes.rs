//! The ways to run the program: scripts, `-e`, pipes, options, variables, exit codes.

use std::io::{BufRead as _, BufReader};

use crate::program::{Place, Ran, holds};

#[test]
fn a_script_gets_its_arguments_even_those_that_look_like_options() {
    let place = Place::new();
    let script = "#!/usr/bin/env ufs\nprint(args());";
    assert_eq!(
        place.script(script, &["a", "--json", "-e", "--nope"]).ok(),
        "[\"a\", \"--json\", \"-e\", \"--nope\"]\n"
    );
    assert_eq!(place.script(script, &[]).ok(), "[]\n");
}

#[test]
fn the_first_line_of_a_script_may_name_the_program_and_lines_are_still_counted_right() {
    let err = Place::new().script("#!/usr/bin/env ufs\nnope();", &[]).fails(1);
    holds(&err, &["script.rhai:2:1"]);
}

#[test]
fn an_option_that_does_not_exist_is_wrong_usage() {
    let ran = Place::new().run(&["--nope"]);
    holds(&ran.fails(2), &["unexpected argument '--nope'", "Usage"]);
}

#[test]
fn options_that_exclude_each_other_or_are_wrong_are_wrong_usage() {
    let place = Place::new();
    place.run(&["--store", "x", "--ephemeral", "-e", "1"]).fails(2);
    place.run(&["--driver", "nfs", "-e", "1"]).fails(2);
    place.run(&["--color", "pink", "-e", "1"]).fails(2);
    place.run(&["-e"]).fails(2);
    holds(&place.run(&["nowhere.rhai"]).fails(2), &["cannot read the script `nowhere.rhai`: no such file"]);
}

#[test]
fn code_on_the_command_line_prints_its_last_value() {
    let place = Place::new();
    assert_eq!(place.code("1 + 1").ok(), "2\n");
    assert_eq!(place.code("let x = 1;").ok(), "");
    assert_eq!(place.code("\"text\"").ok(), "text\n");
    assert_eq!(place.code("[\"a\", 'b', (), 1.5, true]").ok(), "[\"a\", 'b', (), 1.5, true]\n");
}

#[test]
fn a_pipe_is_parsed_as_a_whole_before_any_of_it_runs() {
    let place = Place::new();
    assert_eq!(place.pipe(b"print(1);\n2", &[]).ok(), "1\n2\n");
    let ran = place.pipe(b"print(1);\nlet x = ;\n", &[]);
    assert_eq!(ran.out, "");
    holds(&ran.fails(2), &["stdin:2:9"]);
    holds(&place.pipe(b"print(\"\xff\")", &[]).fails(2), &["not UTF-8"]);
    assert_eq!(place.pipe(b"", &[]).ok(), "");
}

#[test]
fn the_first_error_of_a_pipe_stops_it() {
    let ran = Place::new().pipe(b"print(1);\nfail(\"stop\");\nprint(2);\n", &[]);
    assert_eq!((ran.out.as_str(), ran.code), ("1\n", 1));
    holds(&ran.err, &["error: stop", "stdin:2:1"]);
}

#[test]
fn exit_ends_a_script_from_anywhere_with_its_code() {
    let place = Place::new();
    place.code("exit(7)").fails(7);
    place.code("exit()").ok();
    place.code("fn f() { try { exit(3) } catch { print(\"caught\") } } f(); print(\"on\")").fails(3);
    place.code("[1].map(|x| exit(4))").fails(4);
    let ran = place.code("exit(\"goodbye\")");
    assert_eq!((ran.code, ran.err.as_str(), ran.out.as_str()), (1, "goodbye\n", ""));
}

#[test]
fn json_prints_one_document_a_line() {
    let place = Place::new();
    let code = "let l = layer(\"b\"); l.write(\"/a\", \"1\"); mount_direct(l); write(\"/c\", \"x\"); rm(\"/a\"); \
        print(1); print(\"two\\nlines\"); print([1, #{ a: () }]); print(l); show(); print(diff()); print(tree()); \
        print(explain(\"/a\")); print(history()); print(stat(\"/c\")); print(l.entries()); print(mounts()); \
        print(()); print(blob(2, 255)); print(1.5); doctor()";
    let out = place.run(&["--json", "-e", code]).ok();
    let values: Vec<serde_json::Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(values.len(), 16);
    assert_eq!(values[0], 1);
    assert_eq!(values[1], "two\nlines");
    assert_eq!(values[3]["name"], "b");
    assert_eq!(values[4]["rows"][0]["cells"], serde_json::json!(["hidden", "whiteout"]));
    assert_eq!(values[5][0]["kind"], "deleted");
    assert_eq!(values[7]["steps"].as_array().unwrap().len(), 2);
    assert_eq!(values[8][0]["name"], "b");
    assert_eq!(values[9]["size"], 1);
    assert_eq!(values[10][0]["path"], "/a");
    assert_eq!(values[11][0]["driver"], "direct");
    assert!(values[15]["best"].is_string());
}

#[test]
fn quiet_leaves_out_talk_but_no_errors() {
    let place = Place::new();
    let talk = "mount(layer(\"b\")); commit(); ()";
    assert!(!place.run(&["--ephemeral", "-e", talk]).err.is_empty());
    assert_eq!(place.run(&["--ephemeral", "--quiet", "-e", talk]).err, "");
    holds(&place.run(&["-q", "-e", "fail(\"no\")"]).fails(1), &["error: no"]);
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let code = "let l = layer(\"b\"); l.write(\"/a\", \"1\"); tree(l)";
    let coloured = |place: Place, args: &[&str]| {
        place.run(&[args, &["--ephemeral", "-e", code]].concat()).ok().contains('\u{1b}')
    };
    assert!(!coloured(Place::new(), &[]));
    assert!(coloured(Place::new(), &["--color", "always"]));
    assert!(coloured(Place::new().with("CLICOLOR_FORCE", "1"), &[]));
    assert!(!coloured(Place::new().with("CLICOLOR_FORCE", "0"), &[]));
    assert!(!coloured(Place::new().with("CLICOLOR_FORCE", "1").with("NO_COLOR", "1"), &[]));
    assert!(!coloured(Place::new().with("CLICOLOR_FORCE", "1"), &["--color", "never"]));
    assert!(coloured(Place::new().with("NO_COLOR", "1"), &["--color", "always"]));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child = place.command(&["-e", "for i in 0..1000000 { print(i); }"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "0\n");
    let ran = Ran::of(child);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn the_store_is_the_option_or_the_variable_or_the_data_directory() {
    let place = Place::new();
    let make = "layer(\"mine\").seal(); ()";
    place.code(make).ok();
    assert!(place.store().join("names").is_dir());
    place.run(&["--store", "other", "-e", make]).ok();
    assert!(place.path().join("other/names").is_dir());
    let home = Place::new().with("UFS_STORE", "").with("XDG_DATA_HOME", "");
    home.code(make).ok();
    assert!(home.path().join(".local/share/ufs/names").is_dir());
}

#[test]
fn an_ephemeral_store_leaves_nothing_behind() {
    let place = Place::new();
    place
        .run(&["--ephemeral", "-e", "mount_direct(layer(\"b\")); write(\"/a\", \"1\"); commit(\"c\"); ()"])
        .ok();
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn the_driver_option_decides_for_mount() {
    let place = Place::new();
    assert_eq!(place.run(&["--driver", "direct", "-e", "mount(layer(\"b\")).driver"]).ok(), "direct\n");
    let code = "let fuse = doctor().checks.filter(|c| c.what == \"driver `fuse`\")[0]; \
                if fuse.ok { mount(layer(\"b\")).driver } else { fuse.cure != () }";
    let out = place.run(&["--driver", "fuse", "-e", code]).ok();
    assert!(["fuse\n", "true\n"].contains(&&*out), "{out}");
}

#[test]
fn without_a_user_namespace_direct_does_all_that_needs_no_mount() {
    let code = "mount_direct(layer(\"b\")); write(\"/a\", \"1\"); chown(\"/a\", 33, 34); \
        assert_eq(stat(\"/a\").uid, 33); let c = commit(\"c\"); assert_eq(c.stat(\"/a\").gid, 34);";
    Place::new().run(&["--no-userns", "-e", code]).ok();
}

#[test]
fn doctor_tells_what_works_and_ends_well() {
    let place = Place::new();
    let out = place.run(&["doctor"]).ok();
    holds(&out, &["kernel", "privilege", "driver `direct`", "mount() takes"]);
    let out = place.run(&["--json", "doctor"]).ok();
    assert!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["checks"].is_array());
}

#[test]
fn the_same_script_gives_the_same_ids_anywhere_with_a_fixed_clock() {
    let code = "let b = layer(\"b\"); b.write(\"/etc/motd\", \"hello\"); mount_direct(b); write(\"/new\", \"1\"); \
        touch(\"/etc/motd\"); let c = commit(\"c\"); print(b.diff_id); print(c.diff_id); print(c.chain_id); c.created";
    let run = || Place::new().with("SOURCE_DATE_EPOCH", "1000000000").code(code).ok();
    let first = run();
    assert_eq!(first, run());
    assert_eq!(first.lines().last(), Some("1000000000"));
    assert_ne!(first, Place::new().with("SOURCE_DATE_EPOCH", "1000000001").code(code).ok());
}

#[test]
fn a_fixed_clock_clamps_later_times_at_commit() {
    let place = Place::new().with("SOURCE_DATE_EPOCH", "1000000000");
    place.file("now", "a file of today");
    let code =
        "let b = layer(\"b\"); b.add(\"now\", \"/now\"); b.seal(); for e in b.entries() { print(e.mtime); }";
    assert_eq!(place.code(code).ok(), "1000000000\n");
    holds(&place.with("SOURCE_DATE_EPOCH", "soon").code("1").fails(2), &["`SOURCE_DATE_EPOCH` is `soon`"]);
}

#[test]
fn help_and_version_are_told_on_stdout() {
    let place = Place::new();
    holds(&place.run(&["--help"]).ok(), &["Usage: ufs", "$UFS_STORE", "Exit codes"]);
    let version = format!("ufs {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(place.run(&["-V"]).ok(), format!("{version}\n"));
    let long = place.run(&["--version"]).ok();
    assert!(long.starts_with(&version));
    holds(&long, &["formats: store 1, index 2", "kernel: OverlayFS", "FUSE with passthrough"]);
}

#[test]
fn a_word_that_is_no_script_gets_what_was_meant() {
    let place = Place::new();
    holds(&place.run(&["docter"]).fails(2), &["there is no script `docter`", "did you mean `ufs doctor`?"]);
    holds(&place.run(&["show"]).fails(2), &["`show` is a call", "`ufs -e 'show(...)'`"]);
    holds(&place.run(&["nothing"]).fails(2), &["cannot read the script `nothing`: no such file"]);
    holds(&place.run(&["docter.rhai"]).fails(2), &["cannot read the script `docter.rhai`"]);
    place.file("show", "print(1)");
    assert_eq!(place.run(&["show"]).ok(), "1\n");
}

#[test]
fn a_lone_dash_reads_the_script_from_stdin() {
    let place = Place::new();
    assert_eq!(place.pipe(b"print(args())", &["-", "a", "-e"]).ok(), "[\"a\", \"-e\"]\n");
}

#[test]
fn pieces_of_code_run_one_after_the_other_and_may_begin_with_a_minus() {
    let place = Place::new();
    assert_eq!(place.run(&["-e", "let a = 1 // one", "-e", "fn f(x) { x + 1 }", "-e", "f(a)"]).ok(), "2\n");
    assert_eq!(place.code("-1 + 2").ok(), "1\n");
    // all is parsed before any of it runs
    let ran = place.run(&["-e", "print(1)", "-e", "let x = ;"]);
    assert_eq!(ran.out, "");
    ran.fails(2);
}

#[test]
fn a_byte_order_mark_says_nothing() {
    let place = Place::new();
    let text = "\u{feff}import \"m\" as m;\nprint(m::f());";
    place.file("m.rhai", "\u{feff}fn f() { 7 }");
    assert_eq!(place.script(text, &[]).ok(), "7\n");
    assert_eq!(place.pipe("\u{feff}8".as_bytes(), &[]).ok(), "8\n");
}

#[test]
fn an_exit_code_that_no_program_can_have_is_an_error() {
    let place = Place::new();
    for code in [300, 256, -1] {
        holds(&place.code(&format!("exit({code})")).fails(1), &["from 0 to 255"]);
    }
    place.code("exit(255)").fails(255);
}

#[test]
fn with_json_errors_are_one_document_on_stderr() {
    let place = Place::new();
    let fails = |args: &[&str], code: i32| -> serde_json::Value {
        let args = [&["--json", "-q"], args].concat();
        let err = place.run(&args).fails(code);
        let document = serde_json::from_str(&err).unwrap_or_else(|error| panic!("{error}: {err}"));
        assert_eq!(err.lines().count(), 1, "{err}");
        document
    };
    let missing = fails(&["-e", "let l = 1;\n  mount(\"nope\")"], 1);
    assert_eq!(missing["kind"], "unknown_layer");
    assert_eq!(missing["at"], serde_json::json!({ "source": "-e", "line": 2, "column": 3 }));
    for key in ["message", "path", "layer", "errno", "hint"] {
        assert!(missing.get(key).is_some(), "{key}: {missing}");
    }
    assert_eq!(fails(&["-e", "let x = ;"], 2)["kind"], "parse_error");
    assert_eq!(fails(&["-e", "nope"], 1)["kind"], "unknown_variable");
    assert_eq!(fails(&["-e", "throw #{ kind: \"mine\", message: \"m\" }"], 1)["kind"], "mine");
    assert_eq!(fails(&["-e", "fn f() { fail(\"deep\") } f()"], 1)["message"], "deep");
    assert_eq!(fails(&["-e", "exit(\"goodbye\")"], 1)["message"], "goodbye");
    assert!(fails(&["nowhere.rhai"], 2)["message"].as_str().unwrap().contains("nowhere.rhai"));
    assert!(fails(&["nowhere"], 2)["hint"].is_string() || fails(&["nowhere"], 2)["hint"].is_null());
    assert_eq!(fails(&["--store", "/dev/null/x", "-e", "layers()"], 1)["kind"], "not_a_store");
}

#[test]
fn a_wrong_tmpdir_is_named() {
    let place = Place::new().with("TMPDIR", "/nowhere/at/all");
    let err = place.run(&["--ephemeral", "-e", "layers()"]).fails(1);
    holds(&err, &["TMPDIR", "/nowhere/at/all: No such file"]);
}

#[test]
fn what_a_script_is_called_reaches_no_terminal_as_it_is() {
    let place = Place::new();
    let name = "\u{1b}]0;title\u{7}\u{1b}[31m.rhai";
    place.file(name, "nope();\n");
    for code in ["nope();\n", "let x = ;", "fn f() { nope() } f()"] {
        place.file(name, code);
        let err = place.run(&[name]).err;
        assert!(!err.contains('\u{1b}') && !err.contains('\u{7}'), "{err:?}");
        holds(&err, &[".rhai"]);
    }
}
