//! What happens in watched mounts as JSON, one document a line.

use rhai::{Dynamic, Map};

use crate::shell::commands::path_value;
use crate::shell::json;
use crate::workspace::{Event, Happening, Over, Tally, Told};

/// An event as one line.
pub(super) fn of(told: &Told) -> String {
    let mut map = Map::new();
    let mut put = |key: &str, value: Dynamic| map.insert(key.into(), value);
    let layer = |layer: Option<usize>| {
        let label = layer.and_then(|layer| told.scene.layers.get(layer));
        label.map_or(Dynamic::UNIT, |label| label.name.as_str().into())
    };
    put("watch", word(Happening::of(&told.event)).into());
    put("mount", told.scene.mount.as_str().into());
    match &told.event {
        Event::CopiedUp { path, kind, from, bytes } => {
            put("path", path_value(path));
            put("kind", kind.word().into());
            put("layer", layer(Some(*from)));
            put("bytes", i64::try_from(*bytes).unwrap_or(i64::MAX).into());
        }
        Event::Created { path, kind, over } => {
            put("path", path_value(path));
            put("kind", kind.word().into());
            let hidden = match over {
                Over::Layer(layer) => Some(*layer),
                Over::Nothing | Over::Whiteout => None,
            };
            put("layer", layer(hidden));
        }
        Event::Changed { path, kind, what, copied_up } => {
            put("path", path_value(path));
            put("kind", kind.word().into());
            put("what", what.word().into());
            put("copied_up", (*copied_up).into());
        }
        Event::Whiteout { path, hides } | Event::Opaque { path, hides, .. } => {
            put("path", path_value(path));
            put("layer", layer(*hides));
        }
        Event::Renamed { from, to, kind, hides } => {
            put("path", path_value(from));
            put("to", path_value(to));
            put("kind", kind.word().into());
            put("layer", layer(*hides));
        }
        Event::Exchanged { from, to } => {
            put("path", path_value(from));
            put("to", path_value(to));
        }
        Event::Removed { path, kind } => {
            put("path", path_value(path));
            put("kind", kind.word().into());
        }
    }
    json::line(&map.into()) + "\n"
}

/// The sum of what was not told one by one.
pub(super) fn of_more(more: &Tally) -> String {
    let counts: Map = more
        .counts()
        .into_iter()
        .map(|(kind, count)| (word(kind).into(), i64::try_from(count).unwrap_or(i64::MAX).into()))
        .collect();
    let map: Map = [("watch".into(), "more".into()), ("counts".into(), counts.into())].into();
    json::line(&map.into()) + "\n"
}

fn word(kind: Happening) -> &'static str {
    match kind {
        Happening::CopiedUp => "copied_up",
        Happening::Created => "created",
        Happening::Changed => "changed",
        Happening::Whiteout => "whiteout",
        Happening::Opaque => "opaque",
        Happening::Renamed => "renamed",
        Happening::Exchanged => "exchanged",
        Happening::Removed => "removed",
    }
}
