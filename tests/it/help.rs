//! What the table of commands promises: every example runs, everything has help.

use crate::program::{Place, holds};

#[test]
fn every_example_runs_on_an_empty_store() {
    let place = Place::new();
    let mut failed = Vec::new();
    for command in ufs::shell::commands() {
        assert!(!command.example.is_empty(), "{} has no example", command.name);
        let ran = place.run(&["--ephemeral", "--quiet", "-e", command.example]);
        if ran.code != 0 {
            failed.push(format!("{}:\n{}\n{}", command.name, command.example, ran.err));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_command_and_property_has_help_that_names_how_it_is_called() {
    let place = Place::new();
    let mut code = String::new();
    for command in ufs::shell::commands() {
        code += &format!(
            "let h = `${{help(\"{0}\")}}`; assert(h.contains(\"{0}(\"), `{0}: ${{h}}`);\n",
            command.name
        );
        code += &format!("assert(h.contains(\"Example\"), `{}: ${{h}}`);\n", command.name);
    }
    for property in ufs::shell::properties() {
        code += &format!(
            "assert(`${{help(\"{0}\")}}`.contains(\"{1}{0}\"), \"{0}\");\n",
            property.name,
            property.on.prefix()
        );
    }
    place.code(&code).ok();
}

#[test]
fn help_lists_every_command_and_no_line_is_too_wide() {
    let out = Place::new().code("help()").ok();
    for command in ufs::shell::commands() {
        holds(&out, &[&format!("{}(", command.name)]);
    }
    for line in out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(!line.contains(")S"), "a call and its summary run together: {line}");
    }
}

#[test]
fn the_words_of_the_field_are_explained_and_a_wrong_topic_finds_the_right_one() {
    let place = Place::new();
    for word in ["whiteout", "opaque", "copy-up", "diff-id", "chain id", "upper", "stack", "draft", "errors"]
    {
        let out = place.code(&format!("help(\"{word}\")")).ok();
        assert!(out.len() > 40, "{word}: {out}");
    }
    holds(
        &place.code("help(\"comit\")").fails(1),
        &["there is no help for `comit`", "did you mean `commit`?"],
    );
    holds(&place.code("help(\"quite unlike anything\")").fails(1), &["`help()` lists all topics"]);
}

#[test]
fn commands_name_only_commands_that_exist() {
    let names: Vec<&str> = ufs::shell::commands().map(|command| command.name).collect();
    for command in ufs::shell::commands() {
        for other in command.see {
            assert!(names.contains(other), "{} points to {other}", command.name);
        }
    }
}
