//! What the program tells of itself: the log, and its own faults.

use crate::program::{Place, holds};

#[test]
fn the_log_tells_operation_path_and_duration_and_only_when_it_is_asked_for() {
    let code = "layer(\"b\").write(\"/f\", \"secret\"); mount_direct(\"b\"); write(\"/f\", \"2\"); try { read(\"/no\"); } catch {} \
                commit(\"c\"); ()";
    let quiet = Place::new().run(&["-q", "-e", code]);
    assert_eq!((quiet.code, &*quiet.err), (0, ""));
    let place = Place::new().with("UFS_LOG", "debug");
    let told = place.run(&["-q", "-e", code]);
    assert_eq!((told.code, &*told.out), (0, ""));
    let store = place.store().display().to_string();
    let steps = [
        format!("open the store {store}: "),
        "write b `/f`: ".to_owned(),
        format!("seal the draft {store}/drafts/b: "),
        "copy up /f: ".to_owned(),
        format!("commit the upper {store}/mounts/m1: "),
    ];
    for step in &steps {
        let line = told
            .err
            .lines()
            .find(|line| line.contains(step))
            .unwrap_or_else(|| panic!("{step}: {}", told.err));
        assert!(line.starts_with("ufs[") && line.contains("] 0.") && line.ends_with('s'), "{line}");
    }
    holds(&told.err, &["read `/no`: failed after ", "cannot read `/no`: it does not exist"]);
    assert!(!told.err.contains("secret"), "{}", told.err);
    // names are untrusted
    let told = place.run(&["-q", "-e", "layer(\"d\").write(\"/\\x1b[31m\", \"\")"]);
    assert!(told.code == 0 && !told.err.contains('\x1b') && told.err.contains("x1b"), "{}", told.err);
    let off = Place::new().with("UFS_LOG", "off").run(&["-q", "-e", code]);
    assert_eq!((off.code, &*off.err), (0, ""));
    let wrong = Place::new().with("UFS_LOG", "loud").run(&["-e", "1"]).fails(2);
    holds(&wrong, &["`UFS_LOG` is `loud`", "error, warn, info, debug or trace"]);
}

/// Faults can be asked for in debug builds alone.
#[cfg(debug_assertions)]
#[test]
fn a_fault_of_the_program_is_an_apology_with_what_to_report_and_exit_code_70() {
    let place = Place::new().with("UFS_FAULT", "script");
    let code = "layer(\"b\").write(\"/f\", \"secret\"); mount_direct(\"b\", #{ name: \"web\" }); write(\"/f\", \"2\");";
    let err = place.run(&["-q", "-e", code]).fails(70);
    let words = err.split_whitespace().collect::<Vec<_>>().join(" ");
    holds(
        &words,
        &[
            concat!(
                "that is a fault in ufs ",
                env!("CARGO_PKG_VERSION"),
                ", not in what you asked for: sorry"
            ),
            "`ufs -q -e ...`",
            "RUST_BACKTRACE=1",
            "`ufs doctor`",
        ],
    );
    assert!(!err.contains("secret") && !err.contains("stack backtrace"), "{err}");
    // what was changed is kept, as at any end
    let kept = Place::run(&place, &["--json", "--store", place.store().to_str().unwrap(), "-e", "1"]);
    let document: serde_json::Value = serde_json::from_str(kept.err.lines().next().unwrap()).unwrap();
    assert_eq!((kept.code, document["kind"].as_str()), (70, Some("fault")), "{}", kept.err);
    let place = place.with("UFS_FAULT", "");
    assert_eq!(place.code("use_mount(\"web\"); read(\"/f\")").ok(), "2\n");
    let traced =
        Place::new().with("UFS_FAULT", "script").with("RUST_BACKTRACE", "1").run(&["-e", "1"]).fails(70);
    holds(&traced, &["and the backtrace", "0: "]);
}
