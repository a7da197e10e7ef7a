//! Files: of the current mount, of any mount, of a draft.

use rhai::{Array, Dynamic};

use super::dropping::{dropping, is_sure, tell};
use super::layers::done;
use crate::driver::DirItem;
use crate::model::LayerPath;
use crate::shell::command::{
    Call, Command, Effect, Group, Outcome, Raise, flag, from_bytes, global, on_image, on_layer, on_mount,
    usage,
};
use crate::shell::params::{Opt, Takes};
use crate::shell::values::Stat;
use crate::workspace::{Mount, Stream};

/// One command that works on a mount, and on a layer too.
macro_rules! both {
    ($call:ident, |$target:ident| $work:expr) => {
        match $call.layer() {
            Some($target) => $work,
            None => {
                let $target: Mount = $call.mount()?;
                $work
            }
        }
    };
}

/// One command that looks into a mount, and into a layer or an image too.
macro_rules! any {
    ($call:ident, |$target:ident| $work:expr) => {
        match $call.image() {
            Some($target) => $work,
            None => both!($call, |$target| $work),
        }
    };
}

macro_rules! command {
    ($effect:ident $name:literal $params:tt [$($on:ident)*] $gives:literal, $summary:literal, $details:literal, $example:literal,
     $errors:expr, $see:expr, $run:expr) => {
        Command {
            name: $name,
            group: Group::Files,
            effect: Effect::$effect,
            forms: &[$($on(&$params)),*],
            gives: $gives,
            summary: $summary,
            details: $details,
            example: concat!("layer(\"base\").write(\"/etc/motd\", \"hello\\n\");\nmount_direct(\"base\");\n", $example),
            errors: $errors,
            see: $see,
            run: Some($run),
        }
    };
}

/// How `sh` takes an exit code that is not 0.
const SH_OPTIONS: &[Opt] = &[Opt {
    key: "check",
    takes: Takes::Flag,
    default: "true",
    summary: "whether an exit code that is not 0 is an error",
}];

pub(super) const COMMANDS: &[Command] = &[
    command!(Changes "write" ["path", "data"] [global on_mount on_layer] "", "Writes a whole file, with missing parent directories.",
        "A file that is there keeps its mode and owner; a new one gets `0644`, root's. In a mount, a file of a lower \
         layer is copied up first. In a draft, directories that are made for it are implied: see `help(\"implied\")`.",
        "write(\"/etc/motd\", \"new\\n\");\nassert_eq(read(\"/etc/motd\"), \"new\\n\");", &["invalid_path", "is_a_directory", "no_mount", "not_a_directory", "not_mounted", "read_only", "sealed", "wrong_layer"], &["append_to", "read"],
        |call| { let (path, data) = (call.bytes(0)?, call.bytes(1)?); done(both!(call, |on| on.write(&path, &data))) }),
    command!(Changes "append_to" ["path", "data"] [global on_mount on_layer] "", "Writes at the end of a file.", "",
        "append_to(\"/etc/motd\", \"more\\n\");\nassert_eq(read(\"/etc/motd\"), \"hello\\nmore\\n\");", &["invalid_path", "is_a_directory", "no_mount", "not_a_directory", "not_mounted", "read_only", "sealed", "wrong_layer"], &["write"],
        |call| { let (path, data) = (call.bytes(0)?, call.bytes(1)?); done(both!(call, |on| on.append_to(&path, &data))) }),
    command!(Looks "read" ["path"] [global on_mount on_layer on_image] "a string", "Gives a file's content as text.",
        "An error for content that is not UTF-8: `read_bytes` takes any.",
        "assert_eq(read(\"etc/motd\"), \"hello\\n\");", &["invalid_path", "is_a_directory", "no_mount", "not_a_directory", "not_found", "not_mounted", "too_large"], &["read_bytes", "write"], read),
    command!(Looks "read_bytes" ["path"] [global on_mount on_layer on_image] "a blob", "Gives a file's content as bytes.", "",
        "assert_eq(read_bytes(\"/etc/motd\").len(), 6);", &["invalid_path", "is_a_directory", "no_mount", "not_a_directory", "not_found", "not_mounted", "too_large"], &["read"],
        |call| { let path = call.bytes(0)?; Ok(Dynamic::from_blob(any!(call, |on| on.read(&path))?)) }),
    Command {
        name: "ls",
        group: Group::Files,
        effect: Effect::Looks,
        forms: &[
            global(&[]),
            global(&["path"]),
            on_mount(&[]),
            on_mount(&["path"]),
            on_layer(&[]),
            on_layer(&["path"]),
            on_image(&[]),
            on_image(&["path"]),
        ],
        gives: "an array of names",
        summary: "Lists a directory, sorted.",
        details: "The root where no path is given. On a layer: what it holds itself, whiteouts not listed.",
        errors: &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted"],
        example: "layer(\"base\").write(\"/etc/motd\", \"hello\\n\");\nmount_direct(\"base\");\nassert_eq(ls(\"/etc\"), [\"motd\"]);",
        see: &["find", "stat", "tree"],
        run: Some(|call| {
            let path = call.path_or_root(0)?;
            Ok(names(any!(call, |on| on.ls(&path))?))
        }),
    },
    command!(Looks "stat" ["path"] [global on_mount on_layer on_image] "a stat: `kind, size, mode, uid, gid, mtime, nlink, ino, target`",
        "Gives a file's attributes; a symlink's own.", "`mtime` is in seconds since 1970; `mode` is a string such as `\"0644\"`.",
        "assert_eq(stat(\"/etc/motd\").size, 6);\nassert_eq(stat(\"/etc/motd\").mode, \"0644\");", &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted"], &["ls", "chmod", "xattr"],
        |call| { let path = call.bytes(0)?; Ok(Dynamic::from(Stat::new(any!(call, |on| on.stat(&path))?))) }),
    command!(Looks "exists" ["path"] [global on_mount on_layer on_image] "a bool", "Tells whether a path is there.", "",
        "assert(exists(\"/etc/motd\"));\nassert(!exists(\"/nothing\"));", &["invalid_path", "no_mount", "not_mounted"], &["stat"],
        |call| { let path = call.bytes(0)?; Ok(any!(call, |on| on.exists(&path))?.into()) }),
    command!(Looks "find" ["glob"] [global on_mount on_image] "an array of paths", "Gives every path that a glob matches, sorted.",
        "Without a `/` the glob is matched against names at any depth; with one against whole paths, where `*` stays \
         within one directory and `**` does not.",
        "assert_eq(find(\"mot*\"), [\"/etc/motd\"]);", &["no_mount", "not_mounted"], &["ls"],
        |call| Ok(found(call, &call.bytes(0)?)?.iter().map(path_value).collect::<Array>().into())),
    command!(Changes "mkdir" ["path"] [global on_mount on_layer] "", "Makes a directory (`0755`), with missing parents.", "",
        "mkdir(\"/srv/www\");\nassert_eq(stat(\"/srv/www\").kind, \"dir\");", &["exists", "invalid_path", "no_mount", "not_a_directory", "not_mounted", "read_only", "sealed", "wrong_layer"], &["write", "rm"],
        |call| { let path = call.bytes(0)?; done(both!(call, |on| on.mkdir(&path))) }),
    command!(Changes "rm" ["path"] [global on_mount on_layer] "", "Removes a file or an empty directory.",
        "In a mount, what lies in a lower layer is hidden by a whiteout. On a draft: takes out its own entry.",
        "rm(\"/etc/motd\");\nassert(!exists(\"/etc/motd\"));", &["invalid_path", "no_mount", "not_a_directory", "not_empty", "not_found", "not_mounted", "read_only", "sealed", "wrong_layer"], &["rm_all", "whiteout"],
        |call| { let path = call.bytes(0)?; done(both!(call, |on| on.rm(&path))) }),
    Command {
        forms: &[
            global(&["path"]),
            global(&["path", "sure"]),
            on_mount(&["path"]),
            on_mount(&["path", "sure"]),
        ],
        ..command!(Changes "rm_all" ["path"] [global] "", "Removes a path and all beneath it.",
            "At the prompt, for the root and for a large tree, it asks before; elsewhere it is told \
             how much of such went. `rm_all(path, true)` neither asks nor tells.",
            "rm_all(\"/etc\");\nassert_eq(ls(), []);",
            &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only"], &["rm"],
            rm_all)
    },
    command!(Changes "mv" ["from", "to"] [global on_mount on_layer] "", "Moves a file or directory; `to` is its new path.",
        "A directory that lies in a lower layer is copied and removed, as mv(1) does on EXDEV.",
        "mv(\"/etc\", \"/conf\");\nassert(exists(\"/conf/motd\"));", &["exists", "invalid_path", "is_a_directory", "no_mount", "not_a_directory", "not_empty", "not_found", "not_mounted", "read_only", "sealed", "wrong_layer"], &["cp"],
        |call| { let (from, to) = (call.bytes(0)?, call.bytes(1)?); done(both!(call, |on| on.mv(&from, &to))) }),
    command!(Changes "cp" ["from", "to"] [global on_mount] "", "Copies a file or directory, metadata included.", "",
        "cp(\"/etc\", \"/copy\");\nassert_eq(read(\"/copy/motd\"), \"hello\\n\");", &["exists", "invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only"], &["mv", "copy_out"],
        |call| done(call.mount()?.cp(&call.bytes(0)?, &call.bytes(1)?))),
    command!(Changes "link" ["old", "new"] [global on_mount on_layer] "", "Makes a hard link.", "",
        "link(\"/etc/motd\", \"/motd\");\nassert_eq(stat(\"/motd\").nlink, 2);", &["cross_device", "exists", "invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only", "sealed", "wrong_layer"], &["symlink"],
        |call| { let (old, new) = (call.bytes(0)?, call.bytes(1)?); done(both!(call, |on| on.link(&old, &new))) }),
    command!(Changes "symlink" ["target", "path"] [global on_mount on_layer] "", "Makes a symbolic link at `path`.", "",
        "symlink(\"etc/motd\", \"/motd\");\nassert_eq(read(\"/motd\"), \"hello\\n\");", &["exists", "invalid_path", "no_mount", "not_a_directory", "not_mounted", "read_only", "sealed", "wrong_layer"], &["readlink", "link"],
        |call| { let (target, path) = (call.bytes(0)?, call.bytes(1)?); done(both!(call, |on| on.symlink(&target, &path))) }),
    command!(Looks "readlink" ["path"] [global on_mount] "a path", "Gives a symbolic link's target.", "",
        "symlink(\"etc/motd\", \"/motd\");\nassert_eq(readlink(\"/motd\"), \"etc/motd\");", &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted"], &["symlink"],
        |call| Ok(from_bytes(call.mount()?.readlink(&call.bytes(0)?)?))),
    command!(Changes "chmod" ["path", "mode"] [global on_mount on_layer] "", "Changes permission bits.",
        "A mode is a string: `\"0755\"`, `\"u+x,go-w\"`.",
        "chmod(\"/etc/motd\", \"go-r\");\nassert_eq(stat(\"/etc/motd\").mode, \"0600\");", &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only", "sealed", "wrong_layer"], &["chown", "stat"],
        |call| { let (path, mode) = (call.bytes(0)?, call.mode(1)?); done(both!(call, |on| on.chmod(&path, &mode))) }),
    command!(Changes "chown" ["path", "uid", "gid"] [global on_mount on_layer] "", "Changes the owner, by numbers.",
        "Where the machine cannot give the owner (a user without privilege), it is kept in the layer all the same.",
        "chown(\"/etc/motd\", 33, 33);\nassert_eq(stat(\"/etc/motd\").uid, 33);", &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only", "sealed", "wrong_layer"], &["chmod"],
        |call| { let (path, uid, gid) = (call.bytes(0)?, call.owner(1)?, call.owner(2)?); done(both!(call, |on| on.chown(&path, uid, gid))) }),
    command!(Changes "touch" ["path"] [global on_mount] "", "Makes an empty file, or sets the times of what is there to now.", "",
        "touch(\"/new\");\nassert_eq(stat(\"/new\").size, 0);", &["invalid_path", "no_mount", "not_a_directory", "not_mounted", "read_only"], &["write"],
        |call| done(call.mount()?.touch(&call.bytes(0)?))),
    command!(Changes "resize" ["path", "size"] [global on_mount] "", "Cuts or lengthens a file to a number of bytes.", "",
        "resize(\"/etc/motd\", 2);\nassert_eq(read(\"/etc/motd\"), \"he\");", &["invalid_path", "is_a_directory", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only"], &["write"],
        |call| done(call.mount()?.resize(&call.bytes(0)?, call.count(1)?))),
    command!(Looks "xattr" ["path", "attribute"] [global on_mount] "a string or a blob", "Gives an extended attribute.", "",
        "set_xattr(\"/etc/motd\", \"user.colour\", \"red\");\nassert_eq(xattr(\"/etc/motd\", \"user.colour\"), \"red\");",
        &["invalid_path", "no_attribute", "no_mount", "not_a_directory", "not_found", "not_mounted"], &["set_xattr", "rm_xattr"],
        |call| Ok(from_bytes(call.mount()?.xattr(&call.bytes(0)?, &call.bytes(1)?)?))),
    command!(Changes "set_xattr" ["path", "attribute", "value"] [global on_mount on_layer] "", "Sets an extended attribute.",
        "A layer carries `user.*`, `trusted.*` (not `trusted.overlay.*`), `security.*` (not labels of the host) and POSIX ACLs.",
        "set_xattr(\"/etc/motd\", \"user.colour\", \"red\");", &["invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only", "sealed", "wrong_layer"], &["xattr"],
        |call| { let (path, name, value) = (call.bytes(0)?, call.bytes(1)?, call.bytes(2)?); done(both!(call, |on| on.set_xattr(&path, &name, &value))) }),
    command!(Changes "rm_xattr" ["path", "attribute"] [global on_mount] "", "Removes an extended attribute.", "",
        "set_xattr(\"/etc/motd\", \"user.colour\", \"red\");\nrm_xattr(\"/etc/motd\", \"user.colour\");", &["invalid_path", "no_attribute", "no_mount", "not_a_directory", "not_found", "not_mounted", "read_only"], &["xattr"],
        |call| done(call.mount()?.rm_xattr(&call.bytes(0)?, &call.bytes(1)?))),
    command!(Looks "copy_out" ["path", "host_path"] [global on_mount on_image] "", "Copies a file or directory out to the host.",
        "The host path must not exist. A note tells what the host does not take of it: devices, owners, times, attributes.",
        "let to = `${env(\"TMPDIR\") ?? \"/tmp\"}/ufs-help-copy`;\ntry { copy_out(\"/etc/motd\", to); } catch (e) { assert_eq(e.kind, \"exists\"); }",
        &["exists", "invalid_path", "no_mount", "not_a_directory", "not_found", "not_mounted"], &["add", "cp"],
        |call| { let (path, host) = (call.bytes(0)?, call.to_write(1)?); match call.image() {
            Some(image) => done(image.copy_out(&path, &host)),
            None => done(call.mount()?.copy_out(&path, &host)),
        } }),
    Command {
        name: "sh",
        group: Group::Files,
        effect: Effect::Changes,
        forms: &[
            global(&["cmd"]),
            global(&["cmd", "options"]).with(SH_OPTIONS),
            on_mount(&["cmd"]),
            on_mount(&["cmd", "options"]).with(SH_OPTIONS),
        ],
        gives: "a map: `code`, `out`, `err`",
        summary: "Runs a host shell in the merged directory, and shows its output as it comes.",
        details: "Fails on an exit code that is not 0, unless `#{ check: false }`. Raw strings are for shell text: \
                  `sh(#\"awk '{print $1}' f\"#)`. Not with `direct`, which makes no mount.",
        errors: &["command_failed", "no_mount", "not_mounted", "unsupported"],
        example: "layer(\"base\").write(\"/a\", \"1\\n\");\nif doctor().best == \"overlay\" {\n    mount(\"base\");\n    \
                  assert_eq(sh(\"cat a\").out, \"1\\n\");\n}",
        see: &["write", "mount"],
        run: Some(sh),
    },
];

/// A path as scripts get it: from the root, as a string or a blob.
pub(in crate::shell) fn path_value(path: &LayerPath) -> Dynamic {
    from_bytes([b"/", path.as_bytes()].concat())
}

fn found(call: &Call<'_>, glob: &[u8]) -> Result<Vec<LayerPath>, Raise> {
    Ok(match call.image() {
        Some(image) => image.find(glob)?,
        None => call.mount()?.find(glob)?,
    })
}

fn names(items: Vec<DirItem>) -> Dynamic {
    items.into_iter().map(|item| from_bytes(item.name.into_vec())).collect::<Array>().into()
}

fn read(call: &Call<'_>) -> Outcome {
    let path = call.bytes(0)?;
    match String::from_utf8(any!(call, |on| on.read(&path))?) {
        Ok(text) => Ok(text.into()),
        Err(_) => usage(
            format!("`{}` is not UTF-8 text", path.escape_ascii()),
            "`read_bytes(path)` gives any content as a blob",
        ),
    }
}

fn rm_all(call: &Call<'_>) -> Outcome {
    let (mount, path, sure) = (call.mount()?, call.bytes(0)?, is_sure(call, 1)?);
    if call.shell.asks() {
        let loss = || Ok(mount.loss_of_tree(&path)?);
        return done(dropping(call, sure, loss, || Ok(mount.rm_all(&path)?)));
    }
    // nobody is asked, so what went is counted while it goes
    let count = mount.rm_all(&path)?;
    tell(call, mount.loss_of_names(&path, count).filter(|_| !sure).as_ref());
    Ok(Dynamic::UNIT)
}

fn sh(call: &Call<'_>) -> Outcome {
    let check = flag(call.options()?.as_ref(), "check", true)?;
    let shell = call.shell;
    let result = call.mount()?.sh(&call.text(0)?, check, &mut |stream, bytes| match stream {
        Stream::Out if !shell.is_json() => shell.write_out(bytes),
        _ => shell.write_err(bytes),
    })?;
    let mut map = rhai::Map::new();
    map.insert("code".into(), i64::from(result.code).into());
    map.insert("out".into(), from_bytes(result.out));
    map.insert("err".into(), from_bytes(result.err));
    Ok(map.into())
}
