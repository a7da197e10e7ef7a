//! Uncaught errors: the source line, the caret, the cause, the hint; and caught ones as maps.

use crate::program::{Place, holds};

#[test]
fn an_error_shows_its_line_a_caret_under_the_column_and_a_hint() {
    let err =
        Place::new().script("let l = layer(\"base\");\nl.seal();\nl.write(\"/a\", \"1\");\n", &[]).fails(1);
    assert_eq!(
        err,
        "error: layer `base` is sealed, and sealed layers never change\n \
         --> script.rhai:3:3\n  |\n\
         3 | l.write(\"/a\", \"1\");\n  \
           |   ^^^^^\n  |\n  \
           = hint: build on it: `mount(\"base\")`, change files there, then `commit(\"NAME\")`; \
         or begin anew: `layer(\"base\", #{ fresh: true })`; `remove(\"base\")` frees the name\n"
    );
}

#[test]
fn the_caret_stands_right_behind_wide_and_combining_characters() {
    let place = Place::new().with("LC_ALL", "C.UTF-8");
    for before in ["\"é\"", "\"名前\"", "\"e\u{301}\"", "\"👩\""] {
        let err = place.code(&format!("let x = {before}; nope()")).fails(1);
        let lines: Vec<&str> = err.lines().collect();
        let line =
            lines.iter().position(|line| line.contains("nope()") && !line.starts_with("error")).unwrap();
        let column =
            |line: &str, sign: &str| unicode_width::UnicodeWidthStr::width(&line[..line.find(sign).unwrap()]);
        assert_eq!(column(lines[line], "nope"), column(lines[line + 1], "━"), "{err}");
    }
}

#[test]
fn an_error_in_a_function_is_shown_where_it_is_with_the_calls_that_led_there() {
    let script = "fn inner(m) {\n    m.read(\"/no\")\n}\nfn outer(m) { inner(m) }\nouter(mount_direct(layer(\"b\")));\n";
    let err = Place::new().script(script, &[]).fails(1);
    holds(
        &err,
        &[
            "script.rhai:2:7",
            "in the function `inner`",
            "in the function `outer`",
            "cannot read `/no`: it does not exist",
        ],
    );
}

#[test]
fn an_error_in_a_closure_is_shown_where_it_is() {
    let script = "let m = mount_direct(layer(\"b\"));\nlet f = |x|\n    x.read(\"/no\");\n[m].map(f);\n";
    let err = Place::new().script(script, &[]).fails(1);
    holds(&err, &["script.rhai:3:7", "in a closure", "called by `map`"]);
}

#[test]
fn an_error_in_a_module_is_shown_in_the_text_of_the_module() {
    let place = Place::new();
    place.file("tools.rhai", "// tools\nfn bad(m) {\n    m.read(\"/no\")\n}\nfn unknown() { nope() }\n");
    std::fs::create_dir(place.path().join("lib")).unwrap();
    std::fs::write(place.path().join("lib/deep.rhai"), "import \"deeper\" as d;\nfn f() { d::g() }").unwrap();
    std::fs::write(place.path().join("lib/deeper.rhai"), "fn g() {\n\n  1 / 0 }").unwrap();
    let main = "import \"tools\" as t;\nimport \"lib/deep\" as deep;\nfn bad() { 1 }\nlet m = mount_direct(layer(\"b\"));\n";
    let at = |code: &str| place.script(&format!("{main}{code}"), &[]).fails(1);
    holds(&at("t::bad(m);"), &["tools.rhai:3:7", "m.read(\"/no\")", "in the function `bad`"]);
    holds(&at("t::unknown();"), &["tools.rhai:5:16", "there is no function `nope()`"]);
    holds(&at("deep::f();"), &["lib/deeper.rhai:3:5", "division by zero"]);
    holds(&at("t::nothing();"), &["script.rhai:5:4", "there is no function `t::nothing()`"]);
}

#[test]
fn a_module_that_does_not_load_says_where() {
    let place = Place::new();
    place.file("open.rhai", "fn f() { 1\n");
    place.file("fails.rhai", "let a = 1;\nread(\"/x\");\n");
    place.file("self.rhai", "import \"self\" as s;\n");
    holds(&place.code("import \"open\" as o;").fails(2), &["open.rhai:1:12", "may be missing"]);
    holds(
        &place.code("import \"fails\" as f;").fails(1),
        &["fails.rhai:2:1", "no mount is current", "in the module `fails.rhai`"],
    );
    holds(&place.code("import \"nowhere\" as n;").fails(1), &["there is no module `nowhere`", "-e:1:8"]);
    holds(&place.code("import \"self\" as s;").fails(1), &["imports itself"]);
}

#[test]
fn a_parse_error_is_shown_before_anything_runs() {
    let ran = Place::new().script("print(1);\nlet x = (1 + ;\n", &[]);
    assert_eq!(ran.out, "");
    holds(&ran.fails(2), &["script.rhai:2:14"]);
}

#[test]
fn what_was_misspelt_is_found() {
    let place = Place::new();
    let said = |code: &str| place.code(code).fails(1);
    holds(
        &said("layer(\"base\").seal(); mount_direct(\"bsae\")"),
        &["there is no layer `bsae`", "did you mean `base`?"],
    );
    holds(
        &said("layer(\"x\").wirte(\"/a\", \"1\")"),
        &["there is no function `wirte(Layer, string, string)`", "did you mean `write`?"],
    );
    holds(
        &said("mount_direct(layer(\"x\"), #{ nme: \"a\" })"),
        &["`mount_direct` has no option `nme`", "did you mean `name`?"],
    );
    holds(
        &said("layer(\"base\").seal(); mount(base)"),
        &["there is no variable `base`", "the layer of that name is `\"base\"`, in quotes"],
    );
    holds(
        &said("mount_direct(\"/srv\")"),
        &["there is no layer `/srv`", "`layer_at(path)` takes a host directory"],
    );
    holds(
        &said("load_image(\"a.tar\")"),
        &["there is no function `load_image", "`open_image` looks into an image"],
    );
    holds(&said("[1].length"), &["array has no property `length`", "it is called `len`"]);
    holds(&said("layer(\"x\").nmae"), &["Layer has no property `nmae`", "did you mean `name`?"]);
    holds(&said("mount_direct(layer(\"x\")).ls2"), &["Mount has no property `ls2`", "it has name, path"]);
    holds(
        &said("mount_direct(layer(\"x\")).ls"),
        &["Mount has no property `ls`", "it is a method: `.ls(...)`"],
    );
    holds(
        &said("let m = mount_direct(layer(\"x\")); m.name = \"y\""),
        &["the property `name` of Mount cannot be set"],
    );
    holds(&said("mkdir"), &["there is no variable `mkdir`", "`mkdir(path)`"]);
    holds(
        &said("let a = 1; fn f() { a } f()"),
        &["there is no variable `a`", "functions do not see variables from outside"],
    );
}

#[test]
fn a_call_with_wrong_arguments_says_how_it_is_called() {
    let place = Place::new();
    let said = |code: &str| place.code(code).fails(1);
    holds(
        &said("layer(\"x\").write(\"/a\")"),
        &["`layer.write` cannot be called with (a string)", "`layer.write(path, data)`"],
    );
    holds(
        &said("layer(\"x\").write(\"/a\", 1)"),
        &["`write` wants a string or a blob as argument 2, not an integer"],
    );
    holds(&said("layer(1)"), &["`layer` wants a string as argument 1, not an integer"]);
    holds(&said("mount()"), &["`mount` cannot be called with ()", "`mount(stack, ... [, options])`"]);
    holds(&said("mount(1)"), &["`mount` wants layers, not an integer"]);
    holds(&said("mount([])"), &["a stack needs 1 to 500 layers, not 0"]);
    holds(&said("mount(layer(\"b\"), #{ name: 1 })"), &["the option `name` wants a string, not an integer"]);
    holds(
        &said("mount(layer(\"b\"), #{ read_only: \"yes\" })"),
        &["the option `read_only` wants true or false"],
    );
    holds(
        &said("layer(\"b\").chmod(\"/\", 0755)"),
        &["a mode is a string, such as \"0755\" or \"u+x\"", "decimal"],
    );
    holds(
        &said("layer(\"b\").chown(\"/\", -1, 0)"),
        &["`chown` wants a whole number from 0 up as argument 2, not -1"],
    );
    holds(&said("layer(\"b\") + 1"), &["`+` does not work on (Layer, integer)"]);
    holds(&said("resize(\"/a\", 1.5)"), &["no mount is current"]);
}

#[test]
fn paths_that_cannot_be_are_refused_with_the_reason() {
    let place = Place::new();
    let said = |path: &str| {
        place.code(&format!("let n = \"\"; n.pad(300, 'y'); layer(\"b\").write({path}, \"1\")")).fails(1)
    };
    holds(&said("\"/../etc/passwd\""), &["`..` could lead out of it", "from the root of the layer"]);
    holds(&said("\"a/../../b\""), &["`..` could lead out of it"]);
    holds(&said("\"/a\\x00b\""), &["`/a\\x00b` is not a path", "cannot contain a NUL byte", "hint"]);
    let long = said("\"/\" + n");
    holds(&long, &["a name has 300 bytes; at most 255 are possible", "hint"]);
    assert!(!long.contains(&"y".repeat(100)), "{long}");
    holds(&said("\"\""), &["it is a directory"]);
    for name in ["", "a b", "/a", "../a", "a//b", "-a"] {
        holds(&place.code(&format!("layer(\"{name}\")")).fails(1), &["is not a name", "hint"]);
    }
}

#[test]
fn a_chain_that_rhai_cannot_do_says_what_to_write_instead() {
    let err = Place::new().code("let a = [1, 2];\na.filter(|x| true).map(|x| a.len())").fails(1);
    holds(&err, &["its own call chain begins with", "-e:2:20", "take the first part into a variable"]);
}

#[test]
fn recursion_has_an_end() {
    let err = Place::new().code("fn f(n) { f(n + 1) } f(0)").fails(1);
    holds(&err, &["more than 64 functions call each other", "-e:1:22"]);
}

#[test]
fn every_error_is_a_map_with_the_same_keys() {
    let code = r#"
        let m = mount_direct(layer("b"));
        for f in [|| read("/x"), || layer("a b"), || mount("nope"), || fail("f"), || assert(false), || write("/a", 1),
                  || use_mount("x"), || chmod("/", 5), || commit("a b"), || sh("ls"), || layer_at("/nowhere")] {
            let caught = ();
            try { f.call(); } catch (e) { caught = e; }
            for key in ["kind", "message", "path", "layer", "errno", "hint"] { assert(key in caught, `${key}: ${caught}`); }
            assert(type_of(caught.kind) == "string" && type_of(caught.message) == "string");
        }
    "#;
    Place::new().code(code).ok();
}

#[test]
fn kind_answers_for_any_error() {
    let code = r#"
        layer("sealed").seal();
        let m = mount_direct(layer("b"));
        let a = [1];
        for t in [[|| read("/x"), "not_found"], [|| layer("sealed").write("/a", "1"), "sealed"], [|| mount("no"), "unknown_layer"],
                  [|| layer("ffffffffffff"), "unknown_layer"], [|| use_mount("no"), "unknown_mount"], [|| mount_direct("b", #{ name: m.name }), "mount_exists"],
                  [|| read("/../x"), "invalid_path"], [|| read(1), "invalid_argument"], [|| fail("f"), "assertion"], [|| assert(1 == 2), "assertion"],
                  [|| nope(), "unknown_function"], [|| 1 / 0, "arithmetic"], [|| a[5], "out_of_bounds"], [|| m.nope, "unknown_property"],
                  [|| { throw "text" }, "thrown"], [|| { throw #{ kind: "mine" } }, "mine"], [|| { throw 5 }, "thrown"], [|| sh("ls"), "unsupported"],
                  [|| squash("sealed", "b"), "wrong_layer"], [|| layer_at("name of", 1), "unknown_function"], [|| help("qqqqqqqq"), "invalid_argument"]] {
            let found = "nothing";
            try { t[0].call(); } catch (e) { found = kind(e); }
            assert_eq(found, t[1]);
        }
        assert_eq(kind("text"), "thrown"); assert_eq(kind(()), "thrown");
    "#;
    Place::new().code(code).ok();
}

/// Caught at once, behind a call, or not at all: one kind.
#[test]
fn the_kind_of_an_error_is_the_same_wherever_it_is_asked_for() {
    let place = Place::new();
    for (code, kind) in [
        ("nope()", "unknown_function"),
        ("qq + 1", "unknown_variable"),
        ("eval(\"1 +\")", "parse_error"),
        ("layers().nope", "unknown_property"),
        ("let a = 1; a.b", "unknown_property"),
        ("import \"nope\" as n; n::f()", "module_not_found"),
        ("let a = [1]; a[5]", "out_of_bounds"),
        ("let a = \"x\"; a[5]", "out_of_bounds"),
        ("let a = 5; a[99]", "out_of_bounds"),
        ("1 / 0", "arithmetic"),
        ("1 % 0", "arithmetic"),
        ("9223372036854775807 + 1", "arithmetic"),
        ("2 ** -1", "arithmetic"),
        ("parse_int(\"1\", 99)", "arithmetic"),
        ("let a = 5; if a { print(1) }", "invalid_argument"),
        ("let n = 5; for i in n { }", "script"),
        ("eval(\"const A = 1; A += 1;\")", "parse_error"),
        ("let a = true; a[0]", "script"),
        ("throw 5;", "thrown"),
        ("throw #{ kind: \"mine\", message: \"m\" };", "mine"),
        ("read(\"/x\")", "no_mount"),
        ("layer(5)", "invalid_argument"),
    ] {
        for (before, code) in [(String::new(), code), (format!("fn f() {{ {code} }}"), "f();")] {
            let caught =
                place.code(&format!("{before} try {{ {code} }} catch (e) {{ print(kind(e)); }}")).ok();
            let told = place.run(&["--json", "-e", &format!("{before} {code}")]).err;
            assert_eq!(caught.trim(), kind, "{before} {code}");
            assert!(told.contains(&format!("\"kind\":\"{kind}\"")), "{before} {code}: {told}");
        }
    }
}

#[test]
fn what_a_script_throws_is_shown() {
    let place = Place::new();
    holds(&place.code("throw \"oh\"").fails(1), &["the script threw \"oh\""]);
    holds(&place.code("throw #{ a: 1 }").fails(1), &["the script threw #{ a: 1 }"]);
    holds(
        &place.code("try { read(\"/x\") } catch (e) { throw e }").fails(1),
        &["no mount is current", "hint: mount a stack first"],
    );
    holds(&place.code("assert(1 == 2, \"math\")").fails(1), &["math: the assertion does not hold"]);
    holds(&place.code("assert(1)").fails(1), &["an assertion wants true or false"]);
    holds(&place.code("assert_eq(1, \"1\", \"math\")").fails(1), &["math: 1 is not \"1\""]);
    holds(&place.code("fail(\"no\")").fails(1), &["error: no\n"]);
}

#[test]
fn hostile_text_in_errors_is_escaped() {
    let err = Place::new().script("fail(\"\\x1b[31mred\\nline\"); // \u{1b}[2J", &[]).fails(1);
    assert!(!err.contains('\u{1b}'), "{err:?}");
}

#[test]
fn an_error_in_a_text_that_is_evaluated_is_told_at_the_call() {
    let err = Place::new().code("\"…\"; eval(\"a b\")").fails(2);
    holds(&err, &["-e:1:11", "eval(\"a b\")"]);
}

#[test]
fn what_is_for_the_prompt_says_so_in_a_script() {
    let place = Place::new();
    for (text, said, hint) in [
        (
            "let x = 1;\n!ls -l /etc\n",
            "`!ls -l /etc` runs a command of the host at the prompt only",
            "sh(\"ls -l /etc\")",
        ),
        ("?commit\n", "`?commit` asks for help at the prompt only", "print(help(\"commit\"))"),
        ("print(1)\nprint(2)\n", "the end of a line does not end a statement here", "a `;` does"),
    ] {
        let ran = place.pipe(text.as_bytes(), &[]);
        assert_eq!(ran.out, "");
        holds(&ran.err, &[said, hint]);
    }
}
