//! Images: opening them where they lie, and what they are.

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use super::layers::int;
use crate::shell::command::{
    Call, Command, Effect, Group, Outcome, Property, Raise, Receiver, flag, global, usage,
};
use crate::shell::params::{Opt, Takes};
use crate::shell::plain::{id_text, seconds};

const PLATFORM: Opt = Opt {
    key: "platform",
    takes: Takes::Value,
    default: "this machine's",
    summary: "for which machine, where there are several: `linux/arm64`",
};

const VERIFY: Opt = Opt {
    key: "verify",
    takes: Takes::Flag,
    default: "false",
    summary: "whether all bytes of uncompressed layers are read, too, to see that they have the right digests",
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "open_image",
        group: Group::Images,
        effect: Effect::Looks,
        forms: &[global(&["source"]), global(&["source", "options"]).with(&[PLATFORM, VERIFY])],
        gives: "an image",
        summary: "Opens an image where it lies: nothing is unpacked, nothing stored.",
        details: "`source` is what skopeo writes: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, \
                  `docker-archive:FILE[:NAME]`; or a path alone, with `:NAME` or without, which is looked at: an OCI layout, \
                  or a tar of one or of `docker save`, compressed or not. A name is a tag, `@0` for the first of \
                  several, or a digest. `platform` chooses where there are images for several machines; `verify` reads \
                  all bytes.\n\
                  Its layers are read once for what is in them; content is read out of the archive when it is asked for. An \
                  image stands wherever a stack may: `show(img)`, `tree(img)`, `diff(a, b)`, `history(img)`, `explain(img, \
                  path)`; `img.read(path)`, `img.ls`, `img.stat`, `img.find(glob)`, `img.copy_out` look into it, and \
                  `img.layers[0].read(path)` into one layer.",
        errors: &["image", "not_found", "tar", "unknown_image", "unsupported"],
        example: "try { open_image(\"oci:no/such/layout\"); } catch (e) { print(e.message); }",
        see: &["tags", "platforms", "show", "history"],
        run: Some(|call| {
            let wanted = platform(call)?;
            let verify = flag(call.options()?.as_ref(), "verify", false)?;
            Ok(Dynamic::from(call.shell.workspace().open_image(&source(call)?, wanted.as_deref(), verify)?))
        }),
    },
    Command {
        name: "tags",
        group: Group::Images,
        effect: Effect::Looks,
        forms: &[global(&["source"])],
        gives: "an array of names",
        summary: "Lists the images that a source holds, by the names that choose them.",
        details: "What has no name is chosen by its place: `@0` is the first.",
        errors: &["image", "not_found", "tar", "unknown_image", "unsupported"],
        example: "try { tags(\"oci:no/such/layout\"); } catch (e) { print(e.message); }",
        see: &["open_image", "platforms"],
        run: Some(|call| {
            let offers = call.shell.workspace().image_offers(&source(call)?)?;
            let mut names = Array::new();
            for (at, offer) in offers.iter().enumerate() {
                match offer.names.as_slice() {
                    [] => names.push(format!("@{at}").into()),
                    all => names.extend(all.iter().map(|name| name.clone().into())),
                }
            }
            Ok(names.into())
        }),
    },
    Command {
        name: "platforms",
        group: Group::Images,
        effect: Effect::Looks,
        forms: &[global(&["source"])],
        gives: "an array of names",
        summary: "Lists the machines that the images of a source are for, such as `linux/arm64`.",
        details: "Of all images, or of the one that the source names.",
        errors: &["image", "not_found", "tar", "unknown_image", "unsupported"],
        example: "try { platforms(\"oci:no/such/layout\"); } catch (e) { print(e.message); }",
        see: &["open_image", "tags"],
        run: Some(|call| {
            let offers = call.shell.workspace().image_offers(&source(call)?)?;
            let mut names: Vec<String> = Vec::new();
            for platform in offers.iter().flat_map(|offer| &offer.platforms).map(ToString::to_string) {
                if !names.contains(&platform) {
                    names.push(platform);
                }
            }
            Ok(names.into_iter().map(Dynamic::from).collect::<Array>().into())
        }),
    },
];

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        on: Receiver::Image,
        name: "name",
        gives: "a string",
        summary: "Its name; `()` where it has none.",
        get: |call| Ok(call.this_image()?.name().map_or(Dynamic::UNIT, Dynamic::from)),
    },
    Property {
        on: Receiver::Image,
        name: "id",
        gives: "a string",
        summary: "Its ID: the digest of its config, as Docker shows it.",
        get: |call| Ok(call.this_image()?.id().to_string().into()),
    },
    Property {
        on: Receiver::Image,
        name: "digest",
        gives: "a string",
        summary: "The digest of its manifest; `()` where there is none, as in what `docker save` wrote before version 25.",
        get: |call| Ok(id_text(call.this_image()?.digest())),
    },
    Property {
        on: Receiver::Image,
        name: "layers",
        gives: "an array of layers",
        summary: "Its layers, bottom → top.",
        get: |call| {
            let image = call.this_image()?;
            Ok(image.layers().iter().cloned().map(Dynamic::from).collect::<Array>().into())
        },
    },
    Property {
        on: Receiver::Image,
        name: "config",
        gives: "a map",
        summary: "Its config as a map, nothing left out: environment, command, user, history and all.",
        get: config,
    },
    Property {
        on: Receiver::Image,
        name: "platform",
        gives: "a string",
        summary: "What machine it is for: `linux/amd64`.",
        get: |call| Ok(call.this_image()?.platform().into()),
    },
    Property {
        on: Receiver::Image,
        name: "created",
        gives: "a number",
        summary: "When it was made, in seconds since 1970 (UTC); `()` where that is not said.",
        get: |call| Ok(call.this_image()?.created().map_or(Dynamic::UNIT, seconds)),
    },
    Property {
        on: Receiver::Image,
        name: "size",
        gives: "a number",
        summary: "Bytes of the files of all its layers, each inode of a layer once.",
        get: |call| Ok(int(call.this_image()?.size()?)),
    },
    Property {
        on: Receiver::Image,
        name: "download_size",
        gives: "a number",
        summary: "Bytes of its layers as they lie there, compressed where they are.",
        get: |call| Ok(int(call.this_image()?.download_size())),
    },
    Property {
        on: Receiver::Image,
        name: "labels",
        gives: "a map",
        summary: "Its labels.",
        get: |call| {
            let image = call.this_image()?;
            Ok(image.labels().map(|(key, value)| (key.into(), value.into())).collect::<Map>().into())
        },
    },
    Property {
        on: Receiver::Image,
        name: "history",
        gives: "an array of generations",
        summary: "The steps of its making, as `history(img)` gives them.",
        get: |call| Ok(crate::shell::values::generations(call.this_image()?.history()?)),
    },
];

/// The source that is meant; `~/` is the home directory, as in other paths of the host.
fn source(call: &Call<'_>) -> Result<Vec<u8>, Raise> {
    let text = call.bytes(0)?;
    let path = [&b"oci:"[..], b"oci-archive:", b"docker-archive:"]
        .iter()
        .find(|kind| text.starts_with(kind))
        .map_or(0, |kind| kind.len());
    match (text[path..].strip_prefix(b"~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Ok([&text[..path], home.as_encoded_bytes(), b"/", rest].concat()),
        _ => Ok(text),
    }
}

/// The platform that the options ask for.
fn platform(call: &Call<'_>) -> Result<Option<String>, Raise> {
    let options = call.options()?;
    if call.len() > 1 && options.is_none() {
        return usage(
            "`open_image` takes a source, and options in a map",
            "`open_image(\"oci:DIR\", #{ platform: \"linux/arm64\" })`",
        );
    }
    match options.as_ref().and_then(|map| map.get("platform")).filter(|value| !value.is_unit()) {
        None => Ok(None),
        Some(value) => match value.clone().into_string() {
            Ok(text) => Ok(Some(text)),
            Err(_) => usage("the option `platform` is a string", "`#{ platform: \"linux/arm64\" }`"),
        },
    }
}

/// The config as it came, in the values of scripts.
fn config(call: &Call<'_>) -> Outcome {
    match serde_json::from_slice(call.this_image()?.config()) {
        Ok(config) => Ok(value(config)),
        Err(error) => usage(
            format!("the config of the image cannot be made a map: {error}"),
            "it is nested too deep, or holds what scripts have no value for",
        ),
    }
}

/// JSON in the values of scripts; serde bounds how deep it is.
fn value(json: Value) -> Dynamic {
    match json {
        Value::Null => Dynamic::UNIT,
        Value::Bool(flag) => flag.into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => float.into(),
            (None, None) => number.to_string().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.into_iter().map(value).collect::<Array>().into(),
        Value::Object(items) => {
            items.into_iter().map(|(key, item)| (key.into(), value(item))).collect::<Map>().into()
        }
    }
}
