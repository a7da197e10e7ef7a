//! What is offered, where.

use rhai::{Dynamic, Map};

use super::*;
use crate::oci::tests::files::{Made, three_layers};
use crate::shell::command::Receiver;
use crate::shell::params::{Takes, named};
use crate::shell::prompt::session::Session;
use crate::shell::{commands, properties};

const STYLE: Style = Style { color: false, unicode: true, width: 80, height: 24 };

/// A prompt with some layers, a mount without a mount point, and variables.
struct Prompt {
    session: Session,
    shell: Shell,
    completer: Completer,
}

impl Prompt {
    fn new() -> Self {
        let shell = Shell::for_tests(STYLE);
        Self { session: Session::new(&shell), shell, completer: Completer::default() }
    }

    fn with_files() -> Self {
        let mut prompt = Self::new();
        prompt.run(
            "let base = layer(\"base\"); base.write(\"/etc/motd\", \"1\"); base.write(\"/etc/motd.tail\", \"1\"); \
             base.write(\"/etc/a \\\"b\\\"\\n\\\\\", \"1\"); base.write(\"/.hidden\", \"1\"); \
             base.write(\"/usr/bin/tool\", \"1\"); base.symlink(\"usr/bin\", \"/bin\"); base.seal(); ()",
        );
        prompt.run("layer(\"app/web\").write(\"/in-web\", \"1\"); layer(\"app/web\").seal(); ()");
        prompt.run("let m = mount_direct(\"base\", #{ name: \"box\" }); m.write(\"/upper\", \"1\");");
        prompt
    }

    fn run(&mut self, line: &str) {
        self.session.run_line(line);
    }

    fn items(&self, line: &str) -> (usize, Vec<Item>) {
        let (before, after) = line.split_once('‸').unwrap_or((line, ""));
        let world =
            World { shell: &self.shell, scope: self.session.scope(), functions: self.session.functions() };
        self.completer.offered(&format!("{before}{after}"), before.len(), &world)
    }

    /// What is offered at the end, or at `‸`.
    fn offers(&self, line: &str) -> Vec<String> {
        let shown = |item: Item| String::from_utf8_lossy(&item.shown.name).into_owned();
        self.items(line).1.into_iter().map(shown).collect()
    }

    /// The line after the only thing that is offered was taken.
    #[track_caller]
    fn taken(&self, line: &str) -> String {
        let (start, items) = self.items(line);
        let [item] = &*items else { panic!("{line}: {:?}", self.offers(line)) };
        let (before, after) = line.split_once('‸').unwrap_or((line, ""));
        format!("{}{}{after}", &before[..start], item.insert)
    }
}

#[test]
fn every_command_is_completed_with_its_signature_and_summary() {
    let mut prompt = Prompt::with_files();
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar");
    std::fs::write(&archive, Made::of(&three_layers()).docker_archive(&["app:1"])).unwrap();
    prompt.run(&format!("let l = base; let e = l.entries(); let img = open_image({archive:?});"));
    for command in commands() {
        for on in Receiver::ALL {
            if !command.forms.iter().any(|form| form.on == on) {
                continue;
            }
            let dot = match on {
                Receiver::None => "",
                Receiver::Layer => "l.",
                Receiver::Mount => "m.",
                Receiver::Image => "img.",
                Receiver::Entries => "e.",
            };
            for length in 1..=command.name.len() {
                let line = format!("{dot}{}", &command.name[..length]);
                let (start, items) = prompt.items(&line);
                let item = items.iter().find(|item| item.shown.name == command.name.as_bytes());
                let item = item.unwrap_or_else(|| panic!("{line}: {items:?}"));
                assert_eq!(start, dot.len());
                assert_eq!(item.shown.about, command.summary);
                assert!(item.shown.call.starts_with(&format!("{}(", command.name)), "{}", item.shown.call);
                assert!(item.insert.starts_with(&format!("{}(", command.name)));
            }
        }
    }
    for property in properties() {
        let variable = property.on.short_prefix().trim_end_matches('.');
        let offers = prompt.offers(&format!("{variable}.{}", property.name));
        assert!(offers.contains(&property.name.to_owned()), "{}", property.name);
    }
}

#[test]
fn a_function_without_parameters_is_closed_and_a_call_that_is_there_is_kept() {
    let prompt = Prompt::new();
    assert_eq!(prompt.taken("layers"), "layers()");
    assert_eq!(prompt.taken("let x = layer_"), "let x = layer_at(");
    assert_eq!(prompt.taken("layer_‸(\"x\")"), "layer_at(\"x\")");
}

#[test]
fn members_follow_from_what_stands_before_the_dot() {
    let mut prompt = Prompt::with_files();
    prompt.run("let s = \"text\"; let a = [layer(\"base\")]; let deep = #{ one: #{ two: m } };");
    for (layer, line) in [
        (true, "layer(\"x\").whi"),
        (true, "m.upper.whi"),
        (true, "m.stack[0].whi"),
        (true, "a[0].whi"),
        (true, "commit().seal().whi"),
        (true, "let new = layer(\"z\"); new.whi"),
        (true, "for each in layers() { each.whi"),
        (true, "for each in [layer(\"q\")] { print(each.whi"),
        (true, "(layers()[0]).whi"),
        (true, "print(`${base.whi"),
        (false, "m.whi"),
        (false, "unknown.whi"),
        (false, "1.whi"),
    ] {
        assert_eq!(prompt.offers(line), if layer { vec!["whiteout"] } else { vec![] }, "{line}");
    }
    assert_eq!(prompt.offers("deep.one.two.disc"), ["discard"]);
    assert_eq!(prompt.offers("deep.one.tw"), ["two"]);
    assert_eq!(prompt.taken("deep[\"on"), "deep[\"one\"]");
    assert_eq!(prompt.offers("s.to_up"), ["to_upper"]);
    assert_eq!(prompt.offers("m.name.to_up"), ["to_upper"]);
    assert_eq!(prompt.offers("a.filter(|l| l.sealed).pu"), ["push"]);
    assert_eq!(prompt.offers("stat(\"/x\").nl"), ["nlink"]);
    assert_eq!(prompt.offers("diff()[0].let"), ["letter"]);
    assert_eq!(prompt.offers("sh(\"x\").o"), ["out"]);
    assert_eq!(prompt.offers("history()[0].chain"), ["chain_id"]);
    assert_eq!(prompt.offers("for e in base.entries() { e.xa"), ["xattrs"]);
    assert_eq!(prompt.offers("#{ mine: 1 }.min"), ["mine"]);
}

#[test]
fn keys_of_options_are_those_that_the_call_takes() {
    let prompt = Prompt::with_files();
    assert_eq!(prompt.offers("mount_overlay(x, #{ "), ["at", "name", "fresh", "read_only", "volatile"]);
    assert_eq!(prompt.offers("mount(\"base\", #{ name: \"x\", "), ["at", "fresh", "read_only", "volatile"]);
    assert_eq!(prompt.taken("mount(\"base\", #{ vol"), "mount(\"base\", #{ volatile: ");
    assert_eq!(prompt.taken("m.sh(\"ls\", #{ ch‸: false })"), "m.sh(\"ls\", #{ check: false })");
    assert_eq!(prompt.taken("base.add(\"/tmp/x\", \"/\", #{ u"), "base.add(\"/tmp/x\", \"/\", #{ unpack: ");
    let offers = prompt.offers("mount(\"base\", #{ read_only: ");
    assert_eq!(offers, ["true", "false"]);
    assert_eq!(prompt.taken("mount(\"base\", #{ read_only: tr"), "mount(\"base\", #{ read_only: true");
    assert_eq!(prompt.offers("let x = #{ vol"), Vec::<String>::new());
    for command in commands() {
        for option in command.forms.iter().flat_map(|form| form.options) {
            let word = option.key;
            assert!(
                command.details.contains(word) || command.summary.contains(word),
                "{}: {word}",
                command.name
            );
        }
    }
}

#[test]
fn names_of_layers_mounts_and_topics_are_offered_where_they_belong() {
    let prompt = Prompt::with_files();
    assert_eq!(prompt.offers("layer(\""), ["app/web", "base"]);
    assert_eq!(prompt.taken("layer(\"ap"), "layer(\"app/web\"");
    assert_eq!(prompt.taken("layer(\"ap‸\")"), "layer(\"app/web\")");
    assert_eq!(prompt.taken("layer(`ba"), "layer(`base`");
    assert_eq!(prompt.taken("layer(#\"ba"), "layer(#\"base\"#");
    assert_eq!(prompt.taken("mount([\"base\", \"app"), "mount([\"base\", \"app/web\"");
    assert_eq!(prompt.taken("squash([\"base\", \"app"), "squash([\"base\", \"app/web\"");
    assert_eq!(prompt.taken("diff(\"base\", \"app"), "diff(\"base\", \"app/web\")");
    assert_eq!(prompt.taken("use_mount(\""), "use_mount(\"box\")");
    assert_eq!(prompt.taken("help(\"whit"), "help(\"whiteout\")");
    assert_eq!(prompt.taken("?whit"), "?whiteout");
    assert_eq!(prompt.taken("env(\"PAT"), "env(\"PATH\")");
    assert_eq!(prompt.offers("remove("), ["app/web", "base"], "a layer is no name, but a name in quotes is");
    assert_eq!(
        prompt.offers("mount("),
        ["base", "m", "app/web", "base"],
        "variables that fit, then names in quotes"
    );
    assert_eq!(prompt.offers("write(\"/x\", \""), Vec::<String>::new(), "data is anything");
    assert_eq!(prompt.offers("print(\"ba"), ["base"], "what is printed may be a layer's name");
    assert_eq!(prompt.offers("nothing(\"ba"), Vec::<String>::new());
}

#[test]
fn paths_are_those_of_what_the_call_is_on() {
    let prompt = Prompt::with_files();
    assert_eq!(prompt.offers("read(\""), ["bin", "etc/", "upper", "usr/"]);
    assert_eq!(prompt.offers("base.read(\"/"), ["bin", "etc/", "usr/"], "not what the mount's upper holds");
    assert_eq!(prompt.offers("m.upper.read(\""), ["upper"]);
    assert_eq!(prompt.offers("layer(\"app/web\").read(\""), ["in-web"]);
    assert_eq!(prompt.offers("use_mount(\"box\").read(\"u"), ["upper", "usr/"]);
    assert_eq!(prompt.offers("read(\"."), [".hidden"]);
    assert_eq!(prompt.taken("read(\"et"), "read(\"etc/");
    assert_eq!(prompt.taken("read(\"bi"), "read(\"bin/", "a symlink that leads to a directory");
    assert_eq!(prompt.taken("read(\"/bin/t"), "read(\"/bin/tool\")");
    assert_eq!(prompt.taken("write(\"up"), "write(\"upper\", ");
    assert_eq!(prompt.taken("write(\"up‸\", 1)"), "write(\"upper\", 1)");
    assert_eq!(prompt.taken("explain(\"up"), "explain(\"upper\"", "more may follow, or not");
    assert_eq!(prompt.offers("cp(\"upper\", \"etc/motd"), ["motd", "motd.tail"]);
    assert_eq!(prompt.offers("unknown.read(\""), Vec::<String>::new());
    assert_eq!(prompt.offers("read(\"no/such/"), Vec::<String>::new());
    assert_eq!(prompt.offers("read(\"../"), Vec::<String>::new());
    assert_eq!(prompt.offers("read(\"a\" + x, \""), Vec::<String>::new());
}

#[test]
fn names_are_written_as_their_string_needs_it() {
    let prompt = Prompt::with_files();
    let line = prompt.taken("read(\"etc/a");
    assert_eq!(line, "read(\"etc/a \\\"b\\\"\\n\\\\\")");
    assert_eq!(prompt.taken("read(\"etc/a \\\"b"), line);
    let value =
        rhai::Engine::new().eval::<String>(line.strip_prefix("read(").unwrap().strip_suffix(')').unwrap());
    assert_eq!(value.unwrap(), "etc/a \"b\"\n\\");
    // there it cannot be written
    assert_eq!(prompt.taken("read(`etc/a"), "read(`etc/a");
}

#[test]
fn paths_of_the_host_are_offered_where_one_is_taken() {
    let prompt = Prompt::with_files();
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().to_str().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("some file"), "").unwrap();
    for call in
        ["base.export_tar(\"", "base.add(\"", "m.copy_out(\"upper\", \"", "copy_out(\"/etc/motd\", \""]
    {
        assert_eq!(prompt.offers(&format!("{call}{at}/")), ["some file", "sub/"], "{call}");
    }
    for call in ["open_image(\"", "tags(\"oci-archive:", "open_image(\"docker-archive:"] {
        assert_eq!(prompt.offers(&format!("{call}{at}/")), ["some file", "sub/"], "{call}");
    }
    for call in ["platforms(\"oci:", "layer_at(\"", "mount(\"base\", #{ at: \""] {
        assert_eq!(prompt.taken(&format!("{call}{at}/")), format!("{call}{at}/sub/"));
    }
    assert_eq!(prompt.taken(&format!("!cat {at}/so")), format!("!cat {at}/some\\ file "));
    assert_eq!(prompt.taken(&format!("!cat {at}/some\\ ")), format!("!cat {at}/some\\ file "));
    assert_eq!(prompt.taken(&format!("m.sh(\"cat {at}/so")), format!("m.sh(\"cat {at}/some\\\\ file "));
    assert_eq!(prompt.taken(&format!("!cat <{at}/su")), format!("!cat <{at}/sub/"));
}

#[test]
fn variables_functions_and_words_of_the_language_are_offered() {
    let mut prompt = Prompt::new();
    prompt.run("let number = 1; const NAME = \"x\"; let number = 2;");
    prompt.run("/// Twice as much.\nfn next_one(n) { n * 2 }");
    assert_eq!(prompt.offers("numb"), ["number"]);
    assert_eq!(prompt.offers("ne"), ["next_one"]);
    let (_, items) = prompt.items("next");
    assert_eq!(
        (items[0].shown.call.as_str(), items[0].shown.about.as_str()),
        ("next_one(n)", "Twice as much.")
    );
    assert_eq!(prompt.offers("let local = 1; if loc"), ["local"]);
    assert_eq!(prompt.offers("retu"), ["return"]);
    assert_eq!(prompt.offers("let numb"), Vec::<String>::new(), "what comes is a new name");
    assert_eq!(prompt.offers("// numb"), Vec::<String>::new());
    assert_eq!(prompt.offers("/* numb"), Vec::<String>::new());
    assert_eq!(prompt.offers("'n"), Vec::<String>::new());
    assert_eq!(prompt.taken("if x {\n"), "if x {\n    ", "at the beginning of a line it indents");
}

#[test]
fn nothing_is_opened_made_or_said() {
    let prompt = Prompt::new();
    for line in
        ["layer(\"", "use_mount(\"", "layer(\"new\").read(\"", "read(\"", "mount(\"x\").read(\"", "m.", "\""]
    {
        assert_eq!(prompt.offers(line), Vec::<String>::new(), "{line}");
    }
    assert!(prompt.shell.workspace().known_layers().is_empty());
    let mut prompt = Prompt::with_files();
    prompt.run("layer(\"draft\").write(\"/x\", \"1\")");
    for line in [
        "layer(\"other\").read(\"",
        "layer(\"draft\").seal().read(\"",
        "mount(\"draft\").read(\"",
        "commit(\"n\").ls(\"",
    ] {
        prompt.offers(line);
    }
    let names: Vec<String> =
        prompt.shell.workspace().known_layers().into_iter().map(|known| known.name).collect();
    assert_eq!(names, ["app/web", "base", "draft"]);
    assert!(!prompt.shell.workspace().layer("draft").unwrap().sealed());
    assert_eq!(prompt.shell.workspace().mounts().unwrap().len(), 1);
    assert!(prompt.shell.workspace().notes().is_empty());
}

#[test]
fn no_half_typed_line_is_too_much() {
    let mut prompt = Prompt::with_files();
    prompt.run("let deep = #{ one: #{ two: m } };");
    let whole = "let x = mount([\"base\", `a${deep.one.two.read(\"/etc/motd\")}`], #{ at: \"/tmp\", name: #\"é\"# }); x?.y[0].z(|a| a.b)";
    for (at, _) in whole.char_indices() {
        prompt.items(&whole[..at]);
        prompt.items(&format!("{}‸{}", &whole[..at], &whole[at..]));
        prompt.items(&whole[at..]);
    }
    for line in [
        ".",
        "..",
        "?.",
        ")",
        "]",
        "}.",
        "a.(",
        "(.",
        "[.",
        "f(,",
        "#{",
        "#{:",
        "#{ a: #{",
        "fn",
        "let",
        "x.y.z.",
        "for x in ",
        "let x = x; x.",
    ] {
        prompt.items(line);
    }
}

#[test]
fn more_than_the_screen_holds_is_counted() {
    let mut map = Map::new();
    for number in 0..100_000 {
        map.insert(format!("key_{number:06}").into(), Dynamic::UNIT);
    }
    let mut prompt = Prompt::new();
    prompt.run("let many = #{};");
    let world_of = |scope| World { shell: &prompt.shell, scope, functions: prompt.session.functions() };
    let mut scope = rhai::Scope::new();
    scope.push("many", map);
    let (start, pairs) = prompt.completer.complete("many.key_", 9, &world_of(&scope), &STYLE);
    assert_eq!(start, 5);
    assert!(pairs.len() <= 20 * 4, "{}", pairs.len());
    let last = pairs.last().unwrap();
    assert_eq!(last.display, format!("… {} more", view::quantity::count(100_001 - pairs.len() as u64)));
    assert_eq!(last.replacement, "key_0", "what all begin with is typed nonetheless");
}

#[test]
fn parameters_that_name_something_are_completed() {
    for command in commands() {
        for name in command.forms.iter().flat_map(|form| form.params) {
            let takes = named(name).unwrap().takes;
            let names =
                ["path", "dir", "name", "stack", "mount", "topic"].iter().any(|word| name.contains(word));
            assert!(!names || takes != Takes::Value, "{} {name}", command.name);
        }
    }
}
