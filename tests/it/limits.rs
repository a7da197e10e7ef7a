//! Scripts that take too much: each ends in an error, and none takes the process down.

use crate::program::Place;

/// Makes `a` an array of 20,000 arrays, each in the other, in steps of 40.
fn nested() -> String {
    let (open, close) = ("[".repeat(40), "]".repeat(40));
    format!("let a = 1; for i in 0..500 {{ a = {open}a{close}; }}")
}

/// The same with maps.
fn nested_maps() -> String {
    let (open, close) = ("#{a:".repeat(40), "}".repeat(40));
    format!("let a = 1; for i in 0..500 {{ a = {open}a{close}; }}")
}

#[test]
fn values_that_are_nested_deeply_are_compared_drawn_written_as_json_and_dropped() {
    let place = Place::new();
    let (arrays, maps) = (nested(), nested_maps());
    for made in [&arrays, &maps] {
        let code =
            format!("{made} let b = a; assert(`${{a}}`.len() >= 40_000); let c = #{{ b: [b] }}; print(c); a");
        for manner in [&[][..], &["--json"]] {
            let ran = place.run(&[manner, &["-e", &code]].concat()).ok();
            assert!(ran.len() > 40_000, "{}", ran.len());
        }
    }
    let ran = place.run(&["-e", &format!("{arrays} let b = a; assert(a == b); 1")]);
    assert_eq!((ran.code, &*ran.out), (0, "1\n"), "{}", ran.err);
    let ran = place.run(&["-e", &format!("{arrays} throw a;")]);
    assert_eq!(ran.code, 1, "{}", ran.err);
}

#[test]
fn a_chain_of_closures_is_dropped() {
    let code = "let f = || 0; for i in 0..20000 { let g = f; f = || g.call(); } 1";
    assert_eq!(Place::new().run(&["-e", code]).ok(), "1\n");
}

#[test]
fn a_text_that_evaluates_itself_ends_in_an_error() {
    let code = "layer(\"b\").write(\"f\", \"x\"); mount_direct(\"b\");\
                let s = \"eval(s)\"; eval(s)";
    let ran = Place::new().run(&["--limit-stack", "64M", "-e", code]);
    assert_eq!((ran.code, &*ran.out), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("the calls are nested too deeply"), "{}", ran.err);
    let ran = Place::new().run(&["--json", "--limit-stack", "64M", "-e", "let s = \"eval(s)\"; eval(s)"]);
    assert!(ran.code == 1 && ran.err.contains("\"kind\":\"stack_overflow\""), "{}", ran.err);
}

#[test]
fn a_value_that_grows_for_ever_ends_the_script_at_its_limit() {
    let place = Place::new();
    for code in [
        "let s = \"ab\"; loop { try { s += s; } catch { print(1); } }",
        "let a = [1]; loop { a.append(a); }",
        "let a = []; loop { a.push([a]); }",
        "let m = #{}; let i = 0; loop { m[`${i}`] = i; i += 1; }",
        "let b = blob(1); loop { b += b; }",
    ] {
        let ran = place.run(&["--limit-memory", "24M", "-e", code]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{code}: {}", ran.err);
        assert!(
            ran.err.contains("more memory than 24.0 MiB") && ran.err.contains("--limit-memory"),
            "{}",
            ran.err
        );
    }
    let ran = place.run(&["--limit-memory", "2X", "-e", "1"]);
    assert!(ran.code == 2 && ran.err.contains("K, M, G or T"), "{}", ran.err);
}

#[test]
fn one_call_that_would_make_too_much_is_an_error_like_any_other() {
    let place = Place::new();
    for call in [
        "blob(9000000000000)",
        "blob(9000000000000, 7)",
        "let b = blob(1); b.pad(9000000000000, 1)",
        "let a = [1]; a.pad(9000000000000, ())",
        "let a = [[1, 2, 3]]; a.pad(3000000, [1, 2, 3, 4, 5, 6, 7])",
        "let s = \"\"; s.pad(9000000000000, 'x')",
        "let s = \"\"; s.pad(9000000000000, \"xy\")",
        "let s = \"\"; s.pad(100000, 'x'); let t = s; s.replace(\"x\", t)",
    ] {
        let code = format!(
            "try {{ {call}; fail(\"no\"); }} catch (e) {{ assert_eq(kind(e), \"data_too_large\"); }}"
        );
        place.run(&["--limit-memory", "200M", "-e", &code]).ok();
    }
    let same = "let s = \"ab\"; s.pad(5, \"xyz\"); assert_eq(s, \"abxyz\"); s.pad(9, \"12\"); assert_eq(s, \"abxyz1212\"); \
                s.pad(3, 'c'); s.pad(11, 'c'); s.replace(\"12\", \"\"); s.replace('c', \"dd\"); s.replace(\"ab\", 'q'); s.replace('x', 'w'); \
                assert_eq(s, \"qwyzdddd\"); s.pad(99, \"\"); assert_eq(s.len(), 8); \
                let a = [1]; a.pad(3, [2]); assert_eq(a, [1, [2], [2]]); a.pad(1, 0); a.pad(-1, 0); assert_eq(a.len(), 3); \
                let b = blob(2, 257); b.pad(3, 2); assert_eq(b.to_array(), [1, 1, 2]); assert_eq(blob(-1).len(), 0);";
    place.run(&["-e", same]).ok();
}

#[test]
fn operations_are_counted_over_functions_and_modules_and_no_try_catches_the_end() {
    let place = Place::new();
    place.file("m.rhai", "let x = 0; for i in 0..300 { x += i; } fn f() { 1 }");
    for code in [
        "try { loop {} } catch { print(1); }",
        "fn f() { let x = 0; loop { x += 1; } } f()",
        "let f = || { loop {} }; [1].map(|x| f.call())",
        "for i in 0..100000 { eval(\"1\"); }",
        "import \"m\" as a; import \"./m\" as b; import \"././m\" as c;",
    ] {
        let ran = place.run(&["--json", "--limit-ops", "1000", "-e", code]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{code}: {}", ran.err);
        let (kind, said) = ("\"kind\":\"limit\"", "more than 1000 operations");
        assert!(
            ran.err.contains(kind) && ran.err.contains(said) && ran.err.contains("--limit-ops 10000"),
            "{}",
            ran.err
        );
    }
    place.run(&["--limit-ops", "100000", "-e", "let x = 0; for i in 0..1000 { x += i; } x"]).ok();
    place.run(&["--limit-ops", "many", "-e", "1"]).fails(2);
}

#[test]
fn time_ends_whatever_runs_and_waits() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo").arg(place.path().join("pipe.rhai")).status().unwrap();
    assert!(made.success());
    let mount = "layer(\"b\", #{ fresh: true }).write(\"/f\", \"1\"); mount_direct(\"b\", #{ name: \"m\", fresh: true }); write(\"/f\", \"2\");";
    for code in [
        "loop {}",
        "try { loop {} } catch { print(1); }",
        "sleep(100)",
        "try { sleep(100) } catch { print(1); }",
        "layer(\"p\").add(\"pipe.rhai\")",
        "layer(\"p\", #{ fresh: true }).export_tar(\"pipe.rhai\")",
        "import \"pipe\" as p;",
        "fn f(n) { if n > 0 { f(n - 1) } else { loop {} } } f(9)",
    ] {
        place.run(&["-q", "-e", mount]).ok();
        let code = format!("use_mount(\"m\"); {code}");
        let ran = place.run(&["-q", "--json", "--limit-time", "300ms", "-e", &code]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{code}: {}", ran.err);
        let said = ran.err.contains("\"kind\":\"limit\"") && ran.err.contains("longer than 300ms");
        assert!(said && ran.err.contains("--limit-time"), "{code}: {}", ran.err);
        // the end is as at any other: changes are kept, and told
        assert_eq!(
            place.run(&["-e", "use_mount(\"m\"); let x = read(\"/f\"); use_mount(\"m\").discard(); x"]).ok(),
            "2\n",
            "{code}"
        );
    }
    place.run(&["--limit-time", "1h", "-e", "sleep(0.01)"]).ok();
    for wrong in ["soon", "0", "5d", "-1s"] {
        place.run(&[&format!("--limit-time={wrong}"), "-e", "1"]).fails(2);
    }
}

/// One long step each, which no operation of Rhai interrupts.
#[test]
fn time_ends_a_step_in_its_middle() {
    let place = Place::new();
    std::fs::File::create(place.path().join("zeroes")).unwrap().set_len(512 << 20).unwrap();
    let made = "let b = layer(\"b\"); b.add(\"zeroes\", \"/z\"); b.seal(); let t = layer(\"t\"); t.write(\"/f\", \"1\"); t.seal(); \
        layer(\"d\").add(\"zeroes\", \"/again\"); mount_direct(\"b\", #{ name: \"m\" }).cp(\"/z\", \"/copy\")";
    place.run(&["-q", "-e", made]).ok();
    for (before, step) in [
        ("let l = layer(\"new\");", "l.add(\"/usr/share\")"),
        ("let l = layer(\"d\");", "l.seal()"),
        (
            "let m = mount_direct(layer_at(\"/usr\"), #{ name: \"u\", fresh: true, read_only: true });",
            "m.find(\"**\")",
        ),
        ("let m = use_mount(\"m\");", "m.commit(\"c\")"),
        ("", "squash([\"t\", \"b\"], \"s\")"),
        ("", "check(#{ deep: true })"),
        ("let l = layer(\"b\");", "l.export_tar(\"b.tar\")"),
    ] {
        let code = format!("{before} print(\"begun\"); {step}; print(\"ended\");");
        // the step takes many times as long as all before it, and on a busy machine both take longer
        let ran = (0..8).find_map(|doubled| {
            let limit = format!("{}ms", 25 << doubled);
            Some(place.run(&["-q", "--json", "--limit-time", &limit, "-e", &code]))
                .filter(|ran| ran.out.contains("begun"))
        });
        let ran = ran.unwrap();
        assert_eq!((ran.code, ran.out.contains("ended")), (1, false), "{step}: {} {}", ran.out, ran.err);
        assert!(ran.err.contains("\"kind\":\"limit\""), "{step}: {}", ran.err);
    }
    // nothing is half done
    let code = "let n = layers().map(|l| l.name); assert(!(\"c\" in n) && !(\"s\" in n)); assert(!layer(\"d\").sealed); \
        assert_eq(layer(\"d\").stat(\"/again\").size, 536870912); use_mount(\"m\").discard(); check(#{ deep: true })";
    assert_eq!(place.run(&["-q", "-e", code]).ok(), "[]\n");
    assert!(!place.path().join("b.tar").exists());
}

#[test]
fn a_glob_that_is_too_large_is_an_error() {
    let code = "layer(\"b\").write(\"f\", \"x\"); mount_direct(\"b\"); let p = \"\"; for i in 0..300000 { p += \"?*\"; } \
                try { find(p); fail(\"no\"); } catch (e) { assert_eq(kind(e), \"invalid_argument\"); } find(\"?\")";
    assert_eq!(Place::new().run(&["--json", "-e", code]).ok(), "[\"/f\"]\n");
}
