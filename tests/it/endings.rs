//! However the program ends: nothing of ours stays mounted, nothing that was changed is lost.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command};
use std::time::Duration;

use crate::program::{Place, Ran, holds, overlay_works};
use crate::terminal::{CTRL_C, CTRL_D, Terminal, UP};

/// Sends a signal to a process that a test started.
pub(crate) fn send(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap().success());
}

/// Whether anything beneath the place is mounted, as this process sees it.
fn is_mounted(place: &Place) -> bool {
    let path = place.path().canonicalize().unwrap();
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(path.to_str().unwrap())
}

const MADE: &str = "mount(layer(\"b\"), #{ name: \"web\" }); write(\"/a\", \"1\"); ";
const KEPT: &str = "`web` has uncommitted changes, kept in the store: `use_mount(\"web\")` goes on with them, \
     `use_mount(\"web\").commit(\"NAME\")` makes them a layer";

/// Starts a script and waits for the line that says that it is where it should be.
fn started(place: &Place, then: &str) -> Child {
    let mut child = place.command(&["-e", &format!("{MADE} print(\"ready\"); {then}")]).spawn().unwrap();
    // no more than this line: what comes behind it is for others to read
    let mut line = [0; "ready\n".len()];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(line, *b"ready\n");
    child
}

fn ends_well(then: &str) {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let place = Place::new();
        let child = started(&place, then);
        send(child.id(), signal);
        let ran = Ran::of(child);
        assert_eq!(ran.code, code, "{signal}: {}", ran.err);
        holds(&ran.err, &["error: interrupted", KEPT]);
        assert!(!is_mounted(&place));
        place.code("use_mount(\"web\"); assert_eq(read(\"/a\"), \"1\"); commit(\"c\");").ok();
    }
}

#[test]
fn a_signal_in_the_middle_of_a_copy_is_an_interrupt_as_any_other() {
    ends_well("write(\"/big\", blob(20000000, 1)); loop { cp(\"/big\", \"/copy\"); rm(\"/copy\"); }");
}

#[test]
fn a_signal_ends_a_look_at_a_host_directory_of_any_size() {
    ends_well("let host = layer_at(\"/usr\"); loop { host.entries(); }");
}

#[test]
fn a_signal_ends_a_script_that_sleeps() {
    ends_well("sleep(600)");
}

#[test]
fn a_signal_ends_a_script_that_computes_and_no_try_holds_it() {
    ends_well("loop { try { loop {} } catch { } }");
}

#[test]
fn a_signal_ends_a_host_command_and_all_that_it_started() {
    if !overlay_works() {
        return;
    }
    for signal in ["INT", "TERM", "HUP"] {
        let place = Place::new();
        let mut child = started(&place, "sh(\"sleep 600 & echo $!; wait\")");
        let mut pid = [0_u8; 32];
        let length = child.stdout.as_mut().unwrap().read(&mut pid).unwrap();
        let pid: u32 = std::str::from_utf8(&pid[..length]).unwrap().trim().parse().unwrap();
        send(child.id(), signal);
        let ran = Ran::of(child);
        holds(&ran.err, &[KEPT]);
        // what is killed is gone a moment later
        let lives = || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z")
        };
        let mut looks = 0..1000;
        while lives() {
            assert!(looks.next().is_some(), "{signal}: the command lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!is_mounted(&place));
    }
}

#[test]
fn an_error_or_an_exit_unmounts_and_names_what_is_kept() {
    for (end, code) in [("fail(\"stop\")", 1), ("exit(5)", 5), ("1 / 0", 1), ("let x = nope;", 1), ("()", 0)]
    {
        let place = Place::new();
        let ran = place.code(&format!("{MADE} {end}"));
        assert_eq!(ran.code, code, "{end}: {}", ran.err);
        holds(&ran.err, &[KEPT]);
        assert!(!is_mounted(&place));
        assert_eq!(place.code("use_mount(\"web\"); read(\"/a\")").ok(), "1\n");
    }
}

#[test]
fn after_a_kill_the_next_start_cleans_up_and_keeps_the_upper() {
    let place = Place::new();
    let mut child = started(&place, "sleep(600)");
    send(child.id(), "KILL");
    child.wait().unwrap();
    let ran = place.code("mounts().map(|m| [m.name, m.mounted])");
    holds(&ran.err, &["`web` was left by a process that ended early", "use_mount(\"web\")"]);
    assert_eq!(ran.ok(), "[[\"web\", false]]\n");
    assert!(!is_mounted(&place));
    let ran = place.code("use_mount(\"web\"); read(\"/a\")");
    assert!(!ran.err.contains("ended early"), "{}", ran.err);
    assert_eq!(ran.ok(), "1\n");
}

#[test]
fn after_a_kill_a_mount_without_changes_goes() {
    let place = Place::new();
    place.code("layer(\"b\").seal(); ()").ok();
    let mut child = place.command(&["-e", "mount(\"b\"); print(\"ready\"); sleep(600)"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    send(child.id(), "KILL");
    child.wait().unwrap();
    assert_eq!(place.code("mounts()").ok(), "[]\n");
    assert!(!is_mounted(&place));
}

#[test]
fn commits_without_a_name_are_kept_and_named() {
    let place = Place::new();
    let ran =
        place.code("mount_direct(layer(\"b\"), #{ name: \"web\" }); write(\"/a\", \"1\"); commit(); ()");
    assert_eq!(ran.code, 0);
    holds(&ran.err, &["`web` has commits without a name, kept in the store"]);
    place.code("use_mount(\"web\").commit(\"c\"); assert_eq(layer(\"c\").stack.len(), 2);").ok();
    assert_eq!(place.code("mounts()").ok(), "[]\n");
}

#[test]
fn keep_leaves_mounts_mounted_for_others_until_they_are_resumed() {
    if !overlay_works() || !nix::unistd::geteuid().is_root() {
        eprintln!("left out: mounts outlive only root's processes");
        return;
    }
    let place = Place::new();
    place.run(&["--keep", "-e", &format!("{MADE} ()")]).ok();
    assert!(is_mounted(&place));
    assert_eq!(std::fs::read_to_string(place.store().join("mounts/web/merged/a")).unwrap(), "1");
    place.code("use_mount(\"web\").discard()").ok();
    assert!(!is_mounted(&place));
}

#[test]
fn a_terminal_that_is_closed_ends_the_prompt_and_what_runs_and_all_is_kept() {
    let mut drivers = vec!["mount_direct"];
    if overlay_works() {
        drivers.push("mount_overlay");
    }
    for driver in drivers {
        for (busy, shown) in [
            ("", ""),
            ("print(`go${1}`); loop {}", "go1"),
            ("sh(\"echo go$((1)); sleep 600\")", "go1"),
            ("!echo go$((1)); sleep 600", "go1"),
            ("half a li", ""),
        ] {
            if driver == "mount_direct" && busy.starts_with("sh") {
                continue;
            }
            let place = Place::new();
            let mut terminal = Terminal::start(&place, &[]);
            terminal.ask(&format!("let m = {driver}(layer(\"b\"), #{{ name: \"web\" }})"));
            terminal.ask("write(\"/a\", \"1\")");
            match shown {
                "" => terminal.prompt().keys(busy).wait_for(busy),
                shown => terminal.line(busy).shows(shown),
            };
            assert_eq!(terminal.hang_up().ends(), 129, "{driver} {busy}");
            assert!(!is_mounted(&place), "{driver} {busy}");
            assert_eq!(place.code("mounts().map(|m| m.name)").ok(), "[\"web\"]\n");
            assert_eq!(place.code("use_mount(\"web\"); read(\"/a\")").ok(), "1\n", "{driver} {busy}");
            let mut again = Terminal::start(&place, &[]);
            let last = if shown.is_empty() { "write(\"/a\", \"1\")" } else { busy };
            again.prompt().keys(UP).wait_for(last).keys(CTRL_C).prompt().keys(CTRL_D);
            assert_eq!(again.ends(), 0);
        }
    }
}

/// A fifo that nobody writes to.
fn fifo(place: &Place, name: &str) -> String {
    let path = place.path().join(name);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path.display().to_string()
}

/// Waits until a process has its handlers: before, a signal ends it as any other program.
fn handles_signals(pid: u32) {
    const TERM: u64 = 1 << 14;
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let set = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(set.trim(), 16).unwrap()
    };
    while caught() & TERM == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_signal_ends_who_waits_for_a_script_or_a_module() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131), ("USR1", 138)] {
        let place = Place::new();
        let pipe = fifo(&place, "p.rhai");
        let script = place.command(&[&pipe]).spawn().unwrap();
        let module = place.command(&["-e", "import \"p\" as p;"]).spawn().unwrap();
        let mut typed = place.command(&[]);
        let typed = typed.stdin(std::process::Stdio::piped()).spawn().unwrap();
        for child in [script, module, typed] {
            handles_signals(child.id());
            let started = std::time::Instant::now();
            // it may not have come to where it waits
            while started.elapsed() < Duration::from_secs(20) {
                if std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().contains(") Z ") {
                    break;
                }
                send(child.id(), signal);
                std::thread::sleep(Duration::from_millis(50));
            }
            let ran = Ran::of(child);
            assert_eq!(ran.code, code, "{signal}: {}", ran.err);
        }
    }
}

#[test]
fn an_alarm_that_somebody_else_set_is_no_ctrl_c() {
    let place = Place::new();
    let code =
        "print(\"ready\"); layer(\"l\").add(\"/dev/stdin\"); print(layer(\"l\").read(\"/script.rhai\"));";
    let mut child = place.command(&["-e", code]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    // it waits for the pipe
    let is_asleep = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") S ");
    while !is_asleep(child.id()) {
        std::thread::yield_now();
    }
    send(child.id(), "ALRM");
    place.file("script.rhai", "text");
    let tar =
        Command::new("tar").args(["-cf", "-", "script.rhai"]).current_dir(place.path()).output().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &tar.stdout).unwrap();
    out.read_to_string(&mut line).unwrap();
    Ran::of(child).ok();
    assert_eq!(line, "ready\ntext\n");
}
