//! Images written.

use rhai::{Array, Dynamic, Map};

use super::dropping::dropping;
use crate::shell::command::{Command, Effect, Group, Raise, flag, global, usage};
use crate::shell::params::{Opt, Takes};
use crate::workspace::{Compression, Image, SaveOptions};

const OPTIONS: &[Opt] = &[
    option(
        "compression",
        Takes::OneOf(&["gzip", "zstd", "none"]),
        "gzip; none for Docker",
        "of layers made here",
    ),
    option("level", Takes::Value, "5 of gzip, 3 of zstd", "a number: how hard is compressed"),
    option("name", Takes::Value, "", "what the image is called there: `app:1`"),
    option("cmd", Takes::Value, "", "the command, an array"),
    option("entrypoint", Takes::Value, "", "what the command is given to, an array"),
    option("env", Takes::Value, "", "variables, a map: beside those that there are"),
    option("labels", Takes::Value, "", "labels, a map: beside those that there are"),
    option("user", Takes::Value, "", "who runs the command"),
    option("workdir", Takes::Value, "", "where the command runs"),
    option("expose", Takes::Value, "", "ports, an array of `80/tcp` and the like"),
    option("from", Takes::Value, "", "an image: its config is taken, with all that is not said otherwise"),
    Opt {
        key: "force",
        takes: Takes::Flag,
        default: "false",
        summary: "replaces a file that exists without a question at the prompt and without a word",
    },
];

const fn option(key: &'static str, takes: Takes, default: &'static str, summary: &'static str) -> Opt {
    Opt { key, takes, default, summary }
}

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "save_image",
    group: Group::Images,
    effect: Effect::Looks,
    forms: &[global(&["stack", "destination"]), global(&["stack", "destination", "options"]).with(OPTIONS)],
    gives: "a string: the image's ID",
    summary: "Writes an image, a stack or what a mount stands on as an image that Docker, Podman and the OCI tools take.",
    details: "`destination` is what skopeo writes: `oci:DIR[:NAME]` (other images in the layout stay, one of the name is \
              replaced), `oci-archive:FILE[:NAME]`, or `docker-archive:FILE[:NAME]`, which `docker load` takes.\n\
              Layers of an image go out byte for byte, others as their canonical tar, by `compression` and `level` on all cores: \
              the same bytes whatever the number of cores, and with `SOURCE_DATE_EPOCH` the same image. The config of an \
              image, or of the one in `from`, keeps all that is not said otherwise. `name`, `cmd`, `entrypoint`, `env`, `labels`, \
              `user`, `workdir` and `expose` are what a container of it starts with. A file is whole or not there at all; \
              one that exists is replaced: at the prompt it asks before, elsewhere it is told, and `force` does neither.",
    errors: &["image", "is_a_directory", "not_found", "wrong_layer"],
    example: "let l = layer(\"base\");\nl.write(\"/a\", \"1\");\nlet file = env(\"TMPDIR\") ?? \"/tmp\";\n\
              file += \"/ufs-help-image.tar\";\n\
              let id = save_image(l, `oci-archive:${file}`, #{ name: \"app:1\", cmd: [\"/a\"], force: true });\n\
              assert_eq(open_image(file).id, id);",
    see: &["open_image", "export_tar", "commit"],
    run: Some(|call| {
        let given = call.options()?;
        if call.len() > 2 && given.is_none() {
            return usage("`save_image` takes options in a map", "`#{ name: \"app:1\" }`");
        }
        let map = given.unwrap_or_default();
        let workspace = call.shell.workspace();
        let name = text(&map, "name")?;
        let to = workspace.destination(&call.bytes(1)?, name.as_deref())?;
        let mut options = options(&map)?;
        // an image goes out with its own config
        options.from = options.from.or_else(|| call.value(0).try_cast::<Image>());
        let sure = flag(Some(&map), "force", false)?;
        let loss = to.file().and_then(|file| workspace.loss_of_host_file(file));
        let mut items = Vec::new();
        call.collect_items(&call.value(0), &mut items)?;
        let id = dropping(call, sure, || Ok(loss), || Ok(workspace.save_image(&items, to, &options)?))?;
        Ok(Dynamic::from(id.to_string()))
    }),
}];

fn options(map: &Map) -> Result<SaveOptions, Raise> {
    let compression = match text(map, "compression")?.as_deref() {
        None => None,
        Some("gzip") => Some(Compression::Gzip),
        Some("zstd") => Some(Compression::Zstd),
        Some("none") => Some(Compression::None),
        Some(other) => {
            return usage(format!("`{other}` is no compression of layers"), "gzip, zstd or none");
        }
    };
    let level = match given(map, "level") {
        None => None,
        Some(value) => match value.as_int().ok().and_then(|level| i32::try_from(level).ok()) {
            Some(level) => Some(level),
            None => return wrong("level", "a whole number", "6"),
        },
    };
    let from = match given(map, "from") {
        None => None,
        Some(value) => match value.clone().try_cast::<Image>() {
            Some(image) => Some(image),
            None => return wrong("from", "an image", "open_image(\"oci:DIR\")"),
        },
    };
    let mut options = SaveOptions { compression, level, from, ..SaveOptions::default() };
    let changes = &mut options.changes;
    changes.cmd = texts(map, "cmd")?;
    changes.entrypoint = texts(map, "entrypoint")?;
    changes.env = pairs(map, "env")?;
    changes.labels = pairs(map, "labels")?;
    changes.user = text(map, "user")?;
    changes.workdir = text(map, "workdir")?;
    changes.expose = texts(map, "expose")?.unwrap_or_default();
    Ok(options)
}

/// An option that is there and not `()`.
fn given<'a>(map: &'a Map, key: &str) -> Option<&'a Dynamic> {
    map.get(key).filter(|value| !value.is_unit())
}

fn wrong<T>(key: &str, what: &str, example: &str) -> Result<T, Raise> {
    usage(format!("the option `{key}` is {what}"), &format!("`#{{ {key}: {example} }}`"))
}

fn text(map: &Map, key: &str) -> Result<Option<String>, Raise> {
    let value = given(map, key).map(|value| value.clone().into_string());
    value.transpose().or_else(|_| wrong(key, "a string", "\"app\""))
}

fn texts(map: &Map, key: &str) -> Result<Option<Vec<String>>, Raise> {
    let Some(value) = given(map, key) else { return Ok(None) };
    let items = value.clone().try_cast::<Array>();
    let read = items.and_then(|items| items.into_iter().map(|item| item.into_string().ok()).collect());
    match read {
        Some(texts) => Ok(Some(texts)),
        None => wrong(key, "an array of strings", "[\"a\", \"b\"]"),
    }
}

fn pairs(map: &Map, key: &str) -> Result<Vec<(String, String)>, Raise> {
    let Some(value) = given(map, key) else { return Ok(Vec::new()) };
    let items = value.clone().try_cast::<Map>();
    let read = items.and_then(|items| {
        items.into_iter().map(|(name, value)| Some((name.to_string(), value.into_string().ok()?))).collect()
    });
    match read {
        Some(pairs) => Ok(pairs),
        None => wrong(key, "a map of strings", "#{ a: \"b\" }"),
    }
}
