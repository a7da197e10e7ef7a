//! `ufs completions SHELL`, from the definition of the command line.

use clap::{Arg, Command};

use super::arguments::Shell;

/// The script that a shell reads.
pub(super) fn script(shell: Shell, mut command: Command) -> Vec<u8> {
    // a first word is a command or a file: only bash is told so well by what is generated
    if shell == Shell::Zsh {
        command = without_words(&command);
    }
    let mut text = Vec::new();
    clap_complete::generate(shell.completed(), &mut command, "ufs", &mut text);
    let text = String::from_utf8_lossy(&text);
    match shell {
        Shell::Bash => text.into_owned(),
        Shell::Zsh => with_files(&text),
        Shell::Fish => with_values(&text, &command),
    }
    .into_bytes()
}

/// The command line without the script and its arguments.
fn without_words(command: &Command) -> Command {
    let words = command.get_arguments().filter(|argument| !argument.is_positional()).cloned();
    Command::new("ufs")
        .version(env!("CARGO_PKG_VERSION"))
        .args(words)
        .subcommands(command.get_subcommands().cloned())
        .disable_help_subcommand(true)
}

/// In zsh, files beside the commands as a first word, and files behind a script.
fn with_files(text: &str) -> String {
    const ASKED: &str = "\": :_ufs_commands\" \\";
    const LAST: &str = "        esac\n    ;;\nesac\n}\n";
    text.replacen(ASKED, "\": :_ufs_words\" \\", 1).replacen(
        LAST,
        "            (*)\n_files && ret=0\n;;\n        esac\n    ;;\nesac\n}\n\n\
         _ufs_words() {\n    _alternative 'commands:command:_ufs_commands' 'files:file:_files'\n}\n",
        1,
    )
}

/// In fish, the values of a command's argument, and those of an option that ends the line.
fn with_values(text: &str, command: &Command) -> String {
    let parse = "argparse -s (__fish_ufs_global_optspecs) -- $cmd";
    let mut text = text.replacen(
        &format!("    {parse} 2>/dev/null\n"),
        &format!("    {parse} 2>/dev/null\n    or {parse}[1..-2] 2>/dev/null\n"),
        1,
    );
    for word in command.get_subcommands() {
        for values in word.get_positionals().map(Arg::get_possible_values).filter(|values| !values.is_empty())
        {
            let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            text += &format!(
                "complete -c ufs -n \"__fish_ufs_using_subcommand {}\" -f -a \"{}\"\n",
                word.get_name(),
                names.join(" ")
            );
        }
    }
    text
}
