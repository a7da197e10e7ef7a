//! What stays from line to line, and what goes.

use std::path::Path;

use rhai::Dynamic;

use super::memory::Memory;
use crate::shell::engine::{self, Ours};
use crate::shell::render::Text;
use crate::shell::state::Shell;
use crate::view::Style;

struct Lines {
    ours: Ours,
    memory: Memory,
    entry: usize,
}

impl Lines {
    fn new() -> Self {
        let ours = engine::build(&Shell::for_tests(Style::plain(80)), Path::new(""));
        Self { ours, memory: Memory::default(), entry: 0 }
    }

    fn run(&mut self, source: &str) -> Result<Dynamic, String> {
        self.entry += 1;
        let text = Text { name: format!("entry {}", self.entry).into(), source: source.into() };
        let ast = self.memory.compile(&self.ours, &text).map_err(|error| error.to_string())?;
        self.memory.run(&self.ours.engine, &ast, None).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn does(&mut self, source: &str) {
        assert!(self.run(source).unwrap().is_unit(), "{source}");
    }

    #[track_caller]
    fn gives(&mut self, source: &str, value: i64) {
        assert_eq!(self.run(source).unwrap().as_int().unwrap(), value, "{source}");
    }
}

#[test]
fn ten_thousand_lines_leave_no_more_than_what_can_be_reached() {
    let mut lines = Lines::new();
    lines.gives(
        "let sum = 0; let keep = |n| [n].map(|m| m + 1)[0]; fn stays(n) { [n].map(|m| m * 2)[0] } 0",
        0,
    );
    for number in 0..10_000 {
        let line = match number % 5 {
            0 => format!("let x = {number}; sum += 1"),
            1 => format!("[1, 2].map(|n| n + {number})"),
            2 => format!("fn f(n) {{\n  n + {number}\n}}"),
            3 => "const C = sum; let g = |n| n + sum;".to_owned(),
            _ => format!("fail(\"{number}\")"),
        };
        assert_eq!(lines.run(&line).is_err(), number % 5 == 4, "{line}");
    }
    let (variables, functions, texts) = lines.memory.sizes();
    assert!(variables < 300 && functions < 300 && texts < 300, "{variables} {functions} {texts}");
    lines.gives("keep.call(1) + stays(2) + g.call(1) + f(1)", 2 + 4 + 2001 + 9998);
    let error = lines.run("fn f(n) {\n\n  n / 0 } f(1)").unwrap_err();
    assert!(error.contains("Division by zero"), "{error}");
}

#[test]
fn values_that_hold_each_other_are_gone_through_once() {
    let mut lines = Lines::new();
    lines.does("let a = (); let f = |n| { if a == 0 { a = n; } n }; a = [f, #{ f: f }, f];");
    for number in 0..600 {
        lines.gives(&format!("[1].map(|n| n + {number})[0]"), number + 1);
    }
    lines.gives("f.call(1)", 1);
    assert!(lines.memory.sizes().1 < 300);
}

#[test]
fn what_a_line_did_before_its_error_stays() {
    let mut lines = Lines::new();
    lines
        .run("let a = 1; const B = 2; let c = |n| n + a; fn d() { global::B } fail(\"no\"); let e = 5;")
        .unwrap_err();
    lines.gives("a + B + c.call(10) + d()", 1 + 2 + 11 + 2);
    assert!(lines.run("e").is_err());
}

#[test]
fn functions_see_constants_by_their_global_name_and_nothing_else_of_the_lines() {
    let mut lines = Lines::new();
    lines.does("const N = 1");
    lines.does("let v = 1");
    lines.does("fn bare() { N } fn named() { global::N } fn variable() { global::v }");
    lines.gives("named()", 1);
    assert!(lines.run("bare()").is_err());
    assert!(lines.run("variable()").is_err());
    lines.does("const N = 2");
    lines.gives("named()", 2);
}

#[test]
fn a_function_calls_the_newest_of_a_name_and_of_its_number_of_parameters() {
    let mut lines = Lines::new();
    lines.does("fn outer() { inner() + inner(1) }");
    lines.does("fn inner() { 1 } fn inner(n) { n * 10 }");
    lines.gives("outer()", 11);
    lines.does("fn inner() { 2 }");
    lines.gives("outer()", 12);
    lines.does("private fn hidden() { 3 }");
    lines.gives("hidden()", 3);
}
