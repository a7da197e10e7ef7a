//! What the table of commands promises: every example runs, everything has help.

use crate::program::{Place, holds};
use crate::terminal::{Look, Terminal};

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
fn every_command_has_help_with_all_its_parts_and_every_property_says_what_it_is() {
    let place = Place::new();
    let mut code = String::new();
    for command in ufs::shell::commands() {
        let name = command.name;
        assert!(command.summary.ends_with('.'), "{name}: {}", command.summary);
        assert!(!command.see.is_empty(), "{name} leads nowhere");
        code += &format!("let h = `${{help(\"{name}\")}}`;\n");
        let example = command.example.lines().next().unwrap();
        for part in
            [&format!("{name}("), "\nErrors\n", "\nExample\n", example, "\nSee also: ", command.see[0]]
        {
            code += &format!("assert(h.contains({part:?}), `{name}: ${{h}}`);\n");
        }
        for option in command.forms.iter().flat_map(|form| form.options) {
            code += &format!("assert(h.contains(\"\\n  {} \"), `{name}: ${{h}}`);\n", option.key);
        }
        for kind in command.errors {
            code += &format!("assert(h.contains(\"\\n  {kind} \"), `{name}: ${{h}}`);\n");
        }
    }
    for property in ufs::shell::properties() {
        let (name, on) = (property.name, property.on.prefix());
        for topic in [name.to_owned(), format!("{on}{name}")] {
            code += &format!("assert(`${{help(\"{topic}\")}}`.contains(\"{on}{name}\\n\"), \"{topic}\");\n");
        }
    }
    place.code(&code).ok();
}

#[test]
fn a_group_and_all_are_listed_with_a_line_a_command_and_no_line_is_too_wide() {
    let place = Place::new();
    let out = place.code("help(\"all\")").ok();
    for command in ufs::shell::commands() {
        holds(&out, &[&format!("{}(", command.name)]);
    }
    holds(&place.code("help(\"committing\")").ok(), &["commit()", "reset()", "squash(stack, name)"]);
    for line in out.lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(!line.contains(")S"), "a call and its summary run together: {line}");
    }
}

#[test]
fn a_method_is_found_by_what_it_is_called_on() {
    let place = Place::new();
    let out = place.code("help(\"layer.write\")").ok();
    assert!(out.starts_with("layer.write(path, data)\nWrites"), "{out}");
    let out = place.code("help(\"m.commit()\")").ok();
    assert!(out.starts_with("mount.commit([name [, message]])\nMakes"), "{out}");
    let out = place.code("help(\"box.upper\")").ok();
    assert!(out.starts_with("mount.upper\n"), "{out}");
    let err = place.code("help(\"layer.sh\")").fails(1);
    holds(&err, &["there is no `sh` of `layer`", "it is called as `sh(cmd)`"]);
    holds(&place.code("help(\"m.uper\")").fails(1), &["did you mean `m.upper`?"]);
}

/// A call that fails, after this: a mount `box` of the layer `base`, which has a file `/d/f`.
const SETTING: &str = "let base = layer(\"base\"); base.write(\"/d/f\", \"1\"); let draft = layer(\"draft\");\n\
                       draft.write(\"/x\", \"1\"); let m = mount_direct(base, #{ name: \"box\" });\n";

#[test]
fn the_errors_that_commands_raise_are_in_their_help() {
    let place = Place::new();
    let calls = [
        ("write", "write(\"/d\", \"\")", "is_a_directory"),
        ("write", "base.write(\"/d\", \"\")", "sealed"),
        ("write", "write(\"/../x\", \"\")", "invalid_path"),
        ("append_to", "append_to(\"/d/f/g\", \"\")", "not_a_directory"),
        ("read", "read(\"/no\")", "not_found"),
        ("read", "unmount(); read(\"/d/f\")", "no_mount"),
        ("read", "unmount(); m.read(\"/d/f\")", "not_mounted"),
        ("ls", "ls(\"/d/f\")", "not_a_directory"),
        ("mkdir", "mkdir(\"/d/f/x\")", "not_a_directory"),
        ("rm", "rm(\"/d\")", "not_empty"),
        ("mv", "mv(\"/d/f\", \"/d\")", "not_empty"),
        ("link", "link(\"/d/f\", \"/d/f\")", "exists"),
        ("symlink", "symlink(\"x\", \"/d/f\")", "exists"),
        ("chmod", "draft.chmod(\"/no\", \"0644\")", "not_found"),
        ("chown", "m.upper.chown(\"/x\", 0, 0)", "wrong_layer"),
        ("xattr", "xattr(\"/d/f\", \"user.no\")", "no_attribute"),
        ("copy_out", "copy_out(\"/d/f\", \"/tmp\")", "exists"),
        ("sh", "sh(\"true\")", "unsupported"),
        ("commit", "commit(\"draft\")", "wrong_layer"),
        ("commit", "mount_direct(base, #{ read_only: true }).commit()", "read_only"),
        ("reset", "unmount(); reset()", "no_mount"),
        ("squash", "squash(\"nope\", \"one\")", "unknown_layer"),
        ("squash", "squash(base, \"draft\")", "wrong_layer"),
        ("mount", "mount(\"nope\")", "unknown_layer"),
        ("mount_direct", "mount_direct(base, #{ name: \"box\" })", "mount_exists"),
        ("unmount", "unmount(); unmount()", "no_mount"),
        ("unmount", "unmount(); m.unmount()", "not_mounted"),
        ("discard", "m.discard(); m.discard()", "unknown_mount"),
        ("use_mount", "use_mount(\"nope\")", "unknown_mount"),
        ("layer_at", "layer_at(\"/dev/null\")", "not_a_directory"),
        ("remove", "remove(\"nope\")", "unknown_layer"),
        ("add", "draft.add(\"/no/such\")", "not_found"),
        ("whiteout", "base.whiteout(\"/d\")", "sealed"),
        ("export_tar", "draft.export_tar(\"/tmp\")", "is_a_directory"),
        ("diff", "diff(\"nope\", base)", "unknown_layer"),
        ("explain", "unmount(); explain(\"/d\")", "no_mount"),
        ("history", "history(\"nope\")", "unknown_layer"),
        ("tree", "tree(base, \"/no\")", "not_found"),
        ("assert", "assert(false)", "assertion"),
    ];
    let mut wrong = Vec::new();
    for (name, call, kind) in calls {
        let code = format!("{SETTING}try {{ {call}; }} catch (e) {{ print(kind(e)); }}");
        let raised = place.run(&["--ephemeral", "-q", "-e", &code]).ok();
        let command = ufs::shell::commands().find(|command| command.name == name).unwrap();
        if raised.trim() != kind || !command.errors.contains(&kind) {
            wrong.push(format!("{call}: {kind}, not {raised}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_kind_of_error_is_explained_with_who_raises_it() {
    let place = Place::new();
    holds(&place.code("help(\"not_empty\")").ok(), &["not_empty, a kind of error", "Raised by", "rm"]);
    holds(&place.code("help(\"no_space\")").ok(), &["Raised by any call."]);
}

#[test]
fn the_words_of_the_field_are_explained_and_a_wrong_topic_finds_the_right_one() {
    let place = Place::new();
    for word in [
        "whiteout", "opaque", "implied", "copy-up", "diff-id", "chain id", "upper", "stack", "draft",
        "errors",
    ] {
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

#[test]
fn options_are_listed_with_their_types_and_defaults_where_they_are_taken() {
    let place = Place::new();
    let listed = place.code("help(\"mount\")").ok();
    holds(
        &listed,
        &[
            "\nOptions\n",
            "\n  at ",
            "a host directory: ",
            "\n  read_only ",
            "true or false: ",
            "(false if left",
        ],
    );
    assert!(!place.code("help(\"diff\")").ok().contains("\nOptions\n"));
}

#[test]
fn an_example_has_the_colours_of_what_is_typed_where_there_are_colours() {
    let place = Place::new();
    let plain = place.code("help(\"seal\")").ok();
    assert!(!plain.contains('\x1b'), "{plain}");
    let mut terminal = Terminal::open(&place, Look { rows: 50, ..Look::default() }, &[]);
    terminal.ask("help(\"write\")");
    let typed = terminal.ask("let x = layer(\"base\");");
    assert_eq!(typed, "");
    let of_what_is_typed = terminal.ink("\"base\"").fgcolor();
    terminal.ask("help(\"seal\")");
    assert_eq!(terminal.ink("\"base\"").fgcolor(), of_what_is_typed);
    let bare = Place::new().with("NO_COLOR", "1");
    let mut terminal = Terminal::open(&bare, Look { rows: 50, ..Look::default() }, &[]);
    terminal.ask("help(\"seal\")");
    assert_eq!(terminal.ink("layer(").fgcolor(), vt100::Color::Default);
}
