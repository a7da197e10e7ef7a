//! `!command` at the prompt: the terminal is the command's while it runs, and ours after it.

use crate::program::{Place, holds, overlay_works};
use crate::terminal::{CTRL_C, CTRL_D, CTRL_Z, ESCAPE, Look, Terminal};

#[test]
fn a_host_command_runs_in_the_merged_directory_with_the_terminal() {
    if !overlay_works() {
        return;
    }
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("layer(\"base\").write(\"/etc/motd\", \"hello\\n\"); let m = mount_overlay(\"base\");");
    assert_eq!(terminal.ask("!cat etc/motd"), "hello");
    terminal.line("!test -t 0 && test -t 1 && test -t 2 && echo go$((1)); read word; echo $word >said");
    terminal.shows("go1").keys("well\r");
    assert_eq!(terminal.ask("read(\"/said\")"), "well");
}

#[test]
fn how_a_host_command_ended_is_told_if_not_well() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    assert_eq!(terminal.ask("!true"), "");
    assert_eq!(terminal.ask("!exit 3"), "exit code 3");
    assert_eq!(terminal.ask("!kill -9 $$"), "ended by SIGKILL");
    assert_eq!(terminal.ask("!echo one"), "one");
    assert_eq!(terminal.ask("!!"), "!echo one\none");
    holds(&terminal.ask("!cd /etc"), &["`!cd etc && ls`"]);
    holds(&terminal.ask("!cd /etc && pwd"), &["/etc"]);
    holds(&terminal.ask("!fg"), &["no such stopped command"]);
}

#[test]
fn with_no_merged_directory_it_is_said_where_a_command_ran() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    let here = place.path().canonicalize().unwrap();
    assert_eq!(terminal.ask("!pwd"), here.to_str().unwrap());
    terminal.ask("mount_direct(layer(\"b\"), #{ name: \"web\" })");
    let told = terminal.ask("!pwd");
    holds(&told, &[&format!("it ran in {}", here.display()), "`web` is a `direct` mount"]);
}

#[test]
fn ctrl_c_is_the_commands_and_the_prompt_and_its_mount_stay() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("let m = mount_direct(layer(\"b\"), #{ name: \"web\" })");
    terminal.line("!trap 'exit 4' INT; echo go$((1)); sleep 600 & wait").shows("go1").keys(CTRL_C);
    let told = terminal.answer();
    holds(&told, &["exit code 4"]);
    terminal.line("!echo go$((2)); exec sleep 600").shows("go2").keys(CTRL_C);
    holds(&terminal.answer(), &["ended by SIGINT"]);
    assert_eq!(terminal.ask("m.mounted"), "true");
}

#[test]
fn a_stopped_command_goes_on_when_asked_and_ends_with_the_prompt() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("!echo go$((1)); read word; echo \"<$word>\"").shows("go1").keys(CTRL_Z);
    holds(&terminal.answer(), &["stopped: `!fg` goes on with it"]);
    assert_eq!(terminal.ask("1 + 1"), "2");
    holds(&terminal.ask("!jobs"), &["1  echo go"]);
    terminal.line("!fg").shows("!echo go").keys("well\r").shows("<well>");
    terminal.line("!echo go$((2)); exec sleep 600").shows("go2").keys(CTRL_Z);
    holds(&terminal.answer(), &["stopped"]);
    terminal.prompt().keys(CTRL_D);
    assert_eq!(terminal.ends(), 0);
    terminal.wait_for("ended the stopped `echo go$((2)); exec sleep 600`");
}

#[test]
fn what_a_command_does_to_the_terminal_ends_with_it() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.ask("!stty raw -echo");
    let modes = terminal.ask("!stty -a");
    assert!(modes.contains(" icanon") && modes.contains(" echo "), "{modes}");
}

#[test]
fn a_shell_alone_opens_and_comes_back() {
    let place = Place::new().with("SHELL", "/bin/sh").with("PS1", "inner$ ");
    let mut terminal = Terminal::start(&place, &[]);
    terminal.line("!").shows("`exit` comes back").shows("inner$").keys("echo in$((1))\r").shows("in1");
    terminal.keys("exit\r");
    assert_eq!(terminal.ask("2 + 3"), "5");
}

#[test]
fn ctrl_z_and_fg_work_at_the_prompt_in_a_script_and_after_it() {
    let place = Place::new().with("PS1", "outer$ ");
    let mut terminal = Terminal::run(&place, Look::default(), &["sh", "-i"]);
    terminal.wait_for("outer$").keys(env!("CARGO_BIN_EXE_ufs")).keys("\r").prompt();
    terminal.keys(CTRL_Z).wait_for("Stopped");
    terminal.keys("fg\r").prompt();
    terminal.line("let i = 0; loop { i += 1; print(`n${i}.`); sleep(0.02); }").shows("n2.");
    terminal.keys(CTRL_Z).shows("Stopped");
    let count = terminal.screen().contents().matches("\nn").count();
    // it prints again: so it has the terminal
    terminal.keys("fg\r").shows(&format!("n{}.", count + 2)).keys(CTRL_C);
    holds(&terminal.answer(), &["interrupted"]);
    assert_eq!(terminal.ask("i > 0"), "true");
}

#[test]
fn three_interrupts_in_a_row_leave_the_prompt() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys("half").wait_for("half");
    terminal
        .keys(CTRL_C)
        .wait_for("half\nufs>")
        .keys(CTRL_C)
        .wait_for("press Ctrl-C once more, or Ctrl-D, to quit");
    terminal.keys(CTRL_C);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn three_interrupts_in_a_row_leave_a_terminal_without_escape_codes_too() {
    let place = Place::new();
    let mut terminal = Terminal::open(&place, Look { term: "dumb", ..Look::default() }, &[]);
    terminal.prompt().keys(CTRL_C).wait_for("^C\nufs>");
    terminal.keys(CTRL_C).wait_for("press Ctrl-C once more, or Ctrl-D, to quit\nufs>").keys(CTRL_C);
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn ctrl_c_drops_a_line_behind_escape_too() {
    let place = Place::new();
    let mut terminal = Terminal::start(&place, &[]);
    terminal.prompt().keys("half").wait_for("half").keys(ESCAPE).keys(CTRL_C).wait_for("half\nufs>");
    assert_eq!(terminal.ask("1 + 1"), "2");
}
