//! What becomes of a program whose output cannot be written.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::program::{Place, Ran, holds};

#[test]
fn a_reader_that_has_enough_ends_a_script_that_would_print_for_ever() {
    let place = Place::new();
    for code in
        ["loop { print(1); }", "loop { try { print(1); } catch { } }", "fn f() { loop { print(1); } } f()"]
    {
        let mut child = place.command(&["-e", code]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "1\n");
        let ran = Ran::of(child);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{code}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_ends_the_script() {
    let place = Place::new();
    for args in [
        &["-e", "1 + 1"] as &[&str],
        &["-e", "print(1); loop {}"],
        &["-e", "help()"],
        &["--json", "-e", "[1]"],
        &["doctor"],
        &["man"],
        &["--help"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let child = place.command(args).stdout(Stdio::from(full)).spawn().unwrap();
        let ran = Ran::of(child);
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.err);
        holds(&ran.err, &["cannot write to standard output: no space left on device"]);
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let child = place.command(&["-e", "print(1); exit(7)"]).stdout(Stdio::from(full)).spawn().unwrap();
    assert_eq!(Ran::of(child).code, 1);
}
