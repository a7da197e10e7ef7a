//! `ufs man`: the manual page, from the definition of the command line and the table of commands.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::shell;

/// When what this file itself says last changed.
const DATE: &str = "2026-11-24";

const DESCRIPTION: &[&str] = &[
    "`ufs` explores container file-system layers. At its prompt, in scripts and in pipes you build layers, stack them, \
     mount them by the kernel's OverlayFS, by FUSE, or by the same union inside the program, change files, see what \
     each step did to which layer, and commit: the upper becomes a new read-only layer, with the IDs that Docker and \
     OCI would give it. No daemon and no root are needed: a user who is not root is put in a user and mount namespace \
     of their own, where the machine allows it.",
    "Without a file `ufs` is a prompt; there, `help()` lists all calls, and `help(\"commit\")` tells all about one. In \
     a pipe it reads the whole of standard input as one script, which is parsed before any of it runs; its last value \
     is printed, as with `-e`. Scripts are written in Rhai.",
    "However the program ends, what it mounted is unmounted; an upper with changes that were not committed stays in \
     the store and is named.",
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("UFS_STORE", "The store's directory, where `--store` does not name one."),
    (
        "SOURCE_DATE_EPOCH",
        "Seconds since 1970. Replaces the clock in all that is written, and clamps later times at commit, so that the \
         same script gives the same diff IDs anywhere.",
    ),
    (
        "UFS_LOG",
        "`debug`: tells on stderr what is done, each operation with its path and how long it took. `error`, `warn`, `info` \
         tell less, `trace` tells what other crates say, too. Nothing where it is not set.",
    ),
    ("NO_COLOR", "Set to anything: no colours, unless `--color always` asks for them."),
    ("CLICOLOR_FORCE", "Set to anything but 0: colours, also where output is no terminal."),
    ("TERM", "With `dumb`, nothing is coloured."),
    ("LC_ALL, LC_CTYPE, LANG", "Whether the terminal takes UTF-8; without, pictures are drawn in ASCII."),
    (
        "XDG_DATA_HOME, XDG_STATE_HOME, XDG_CONFIG_HOME",
        "Where the store, the history and the start-up file lie, instead of `~/.local/share`, `~/.local/state` and \
         `~/.config`.",
    ),
];

const FILES: &[(&str, &str)] = &[
    ("~/.local/share/ufs", "The store: layers, drafts, names and mounts."),
    ("~/.local/state/ufs/history", "The lines typed at the prompt."),
    (
        "~/.config/ufs/init.rhai",
        "A script that the prompt begins with: its functions, variables and imports are there in all lines. Scripts, \
         `-e` and pipes do not read it, so that what they do is in their text alone.",
    ),
];

const EXIT: &[(&str, &str)] = &[
    ("0", "Done."),
    ("1", "The script failed: an error that it did not catch, or an assertion."),
    ("2", "Wrong usage, or a script that cannot be parsed."),
    ("3", "This machine lacks something; `ufs doctor` tells what, and its cure."),
    ("4", "The store is damaged."),
    ("70", "A fault of ufs itself, which is told with what to report."),
    ("n", "What `exit(n)` asked for. 128 and a signal's number, if that ended the program."),
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "A layer, a mount, a change, and what it did:",
        "layer(\"base\").write(\"/etc/motd\", \"hello\\n\");\nmount(\"base\");\nrm(\"/etc/motd\");\nshow();",
    ),
    ("A script with arguments:", "ufs build.rhai debian.tar 3"),
    (
        "What changed, for another program:",
        "echo 'mount(\"base\"); sh(\"make install\"); diff()' | ufs --json",
    ),
    (
        "Nothing left behind:",
        "ufs --ephemeral -e 'let l = layer(\"a\"); l.write(\"/x\", \"1\"); l.ls(\"/\")'",
    ),
    ("Whether every byte of the store is as it was written:", "ufs check --deep"),
    ("Completions, for this user:", "ufs completions bash >~/.local/share/bash-completion/completions/ufs"),
    ("This page, for this user:", "ufs man >~/.local/share/man/man1/ufs.1"),
];

const SEE_ALSO: &[(&str, &str)] =
    &[("mount", "8"), ("user_namespaces", "7"), ("fuse", "4"), ("buildah", "1"), ("skopeo", "1")];

/// The page, in roff.
pub(super) fn page(mut command: Command) -> io::Result<Vec<u8>> {
    command.build();
    let mut before = Roff::new();
    synopsis(&mut before, &command);
    before.control("SH", ["DESCRIPTION"]);
    for (number, paragraph) in DESCRIPTION.iter().enumerate() {
        if number > 0 {
            before.control("PP", []);
        }
        before.text(marked(paragraph));
    }
    commands(&mut before, &command);
    let mut after = Roff::new();
    calls(&mut after);
    list(&mut after, "ENVIRONMENT", ENVIRONMENT);
    list(&mut after, "FILES", FILES);
    list(&mut after, "EXIT STATUS", EXIT);
    examples(&mut after);
    after.control("SH", ["SEE ALSO"]);
    for (number, (name, section)) in SEE_ALSO.iter().enumerate() {
        let comma = if number + 1 < SEE_ALSO.len() { "," } else { "" };
        after.text([bold(*name), roman(format!("({section}){comma}"))]);
    }
    // its words have told that already
    let man = Man::new(command.mut_arg("words", |words| words.hide(true)))
        .title("UFS")
        .date(DATE)
        .source(concat!("ufs ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    before.to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    after.to_writer(&mut page)?;
    Ok(page)
}

/// The ways to call the program, one a line.
fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let Some(usage) = command.get_overridden_usage() else { return };
    for (number, line) in usage.to_string().lines().enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        // what stands further right explains it
        let call = line.trim().split("   ").next().unwrap_or_default();
        let rest = call.strip_prefix("ufs").unwrap_or(call);
        roff.text([bold("ufs"), roman(rest)]);
    }
}

/// The first words that are no script.
fn commands(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["COMMANDS"]);
    roff.text(marked("A first word that is no script; a script of that name is run as `./NAME`."));
    for word in command.get_subcommands().filter(|word| !word.is_hide_set()) {
        let mut call = vec![bold(word.get_name())];
        for argument in word.get_arguments().filter(|argument| argument.is_positional()) {
            call.push(italic(format!(" {argument}")));
        }
        roff.control("TP", []).text(call);
        if let Some(about) = word.get_long_about().or_else(|| word.get_about()) {
            for line in about.to_string().lines() {
                roff.text(marked(line));
            }
        }
    }
}

/// All that a script can call, one line each.
fn calls(roff: &mut Roff) {
    roff.control("SH", ["CALLS"]);
    roff.text(marked(
        "What scripts and the prompt know beside Rhai's own functions. `help(\"NAME\")` tells all about one.",
    ));
    let mut group = None;
    for command in shell::commands() {
        if group != Some(command.group) {
            roff.control("SS", [command.group.title()]);
            group = Some(command.group);
        }
        let call = command.forms.first().map_or_else(String::new, |form| {
            format!("{}{}({})", form.on.prefix(), command.name, form.params.join(", "))
        });
        roff.control("TP", []).text([bold(call)]).text(marked(command.summary));
    }
}

fn list(roff: &mut Roff, heading: &str, items: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (name, meaning) in items {
        roff.control("TP", []).text([bold(*name)]).text(marked(meaning));
    }
}

fn examples(roff: &mut Roff) {
    roff.control("SH", ["EXAMPLES"]);
    for (number, (meaning, lines)) in EXAMPLES.iter().enumerate() {
        if number > 0 {
            roff.control("PP", []);
        }
        roff.text(marked(meaning));
        roff.control("PP", []).control("RS", ["4"]).control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []).control("RE", []);
    }
}

/// What stands in backticks is typed as it is: bold.
fn marked(text: &str) -> Vec<Inline> {
    let part = |(number, part): (usize, &str)| if number % 2 == 1 { bold(part) } else { roman(part) };
    text.split('`').enumerate().map(part).collect()
}
