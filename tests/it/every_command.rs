//! Every command of the table at the prompt: completed, helped, and its example run.

use ufs::shell::command::{Command, Receiver};

use crate::image_files::{Made, three_layers};
use crate::program::Place;
use crate::terminal::{CTRL_L, CTRL_U, Look, TAB, Terminal};

const SIZES: [(u16, u16); 2] = [(80, 24), (200, 50)];

/// The ways to begin a call of a command, with variables that are there.
fn beginnings(command: &Command) -> impl Iterator<Item = String> {
    let receivers = Receiver::ALL.into_iter().filter(|&on| command.forms.iter().any(|form| form.on == on));
    receivers.map(|on| {
        let before = match on {
            Receiver::None => "",
            Receiver::Layer => "l.",
            Receiver::Mount => "m.",
            Receiver::Image => "img.",
            Receiver::Entries => "changes.",
        };
        format!("{before}{}", command.name)
    })
}

#[test]
fn every_command_is_completed_by_tab_on_all_that_it_is_called_on() {
    for (columns, rows) in SIZES {
        let place = Place::new();
        let mut terminal = Terminal::open(&place, Look { columns, rows, ..Look::default() }, &[]);
        terminal.ask("let l = layer(\"base\"); l.write(\"/a\", \"1\"); let changes = l.entries(); let m = mount_direct(l); ()");
        std::fs::write(place.path().join("a.tar"), Made::of(&three_layers()).docker_archive(&["app:1"]))
            .unwrap();
        terminal.ask("let img = open_image(\"a.tar\"); ()");
        let mut tried = 0;
        for command in ufs::shell::commands() {
            for typed in beginnings(command) {
                terminal.keys(CTRL_U).keys(CTRL_L).wait_until("an empty screen", |seen| {
                    seen.row(0).ends_with('>') && (1..rows).all(|row| seen.row(row).is_empty())
                });
                let call = format!("{}(", command.name);
                terminal.keys(&typed).wait_for(&format!("> {typed}")).keys(TAB);
                terminal.wait_until(&format!("`{typed}` completed or listed"), |seen| {
                    let contents = seen.screen().contents();
                    let listed = contents.lines().any(|row| row.starts_with(&call) && row.contains(")  "));
                    listed || contents.contains(&format!("> {typed}("))
                });
                tried += 1;
            }
        }
        assert!(tried > 80, "{tried}");
    }
}

#[test]
fn every_command_is_helped_and_its_example_runs_at_the_prompt() {
    for (at, command) in ufs::shell::commands().enumerate() {
        let place = Place::new();
        let (columns, rows) = SIZES[at % SIZES.len()];
        let look = Look { columns, rows, ..Look::default() };
        let mut terminal = Terminal::open(&place, look, &["--ephemeral", "--no-pager"]);
        let help = terminal.ask(&format!("?{}", command.name));
        let summary = command.summary.split_whitespace().next().unwrap();
        let first = command.example.lines().next().unwrap();
        for part in [command.name, summary, "Errors", "Example", first, "See also"] {
            assert!(help.contains(part), "{}: no {part:?} in {help}", command.name);
        }
        let last = command.example.lines().last().unwrap();
        let end: String = last.chars().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect();
        terminal.prompt().paste(command.example).wait_for(&end).enter();
        let answer = terminal.answer();
        assert!(!answer.contains("error: "), "{}:\n{}\n{answer}", command.name, command.example);
        terminal.line("quit");
        assert_eq!(terminal.ends(), 0, "{}", command.name);
    }
}
