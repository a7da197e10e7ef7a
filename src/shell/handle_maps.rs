//! The properties of handles as maps, for JSON; what cannot be told now is `()`.

use rhai::{Array, Dynamic, Map};

use super::plain::{host_path, id_text, int, map_of, seconds};
use crate::model::DiffId;
use crate::workspace::{Image, Layer, Mount};

/// A layer's properties.
pub(super) fn layer_map(layer: &Layer) -> Map {
    let diff_id: Option<DiffId> = layer.diff_id().ok().flatten();
    let stack: Array = layer.stack().map_or_else(
        |_| Array::new(),
        |stack| stack.layers().iter().map(|layer| layer.title().into()).collect(),
    );
    map_of([
        ("name", layer.name().map_or(Dynamic::UNIT, Into::into)),
        ("id", layer.id().map_or(Dynamic::UNIT, |id| id.hex().into())),
        ("diff_id", id_text(diff_id)),
        ("chain_id", id_text(layer.chain_id().ok().flatten())),
        ("stack", stack.into()),
        ("size", layer.size().map_or(Dynamic::UNIT, int)),
        ("files", layer.files().map_or(Dynamic::UNIT, int)),
        ("sealed", layer.sealed().into()),
        ("created", layer.created().map_or(Dynamic::UNIT, seconds)),
        ("message", layer.message().map_or(Dynamic::UNIT, Into::into)),
        ("path", host_path(layer.path().ok())),
    ])
}

/// A mount's properties.
pub(super) fn mount_map(mount: &Mount) -> Map {
    let stack: Array = mount.stack().map_or_else(
        |_| Array::new(),
        |stack| stack.layers().iter().map(|layer| layer.title().into()).collect(),
    );
    map_of([
        ("name", mount.name().into()),
        ("driver", mount.driver().map_or(Dynamic::UNIT, |kind| kind.word().into())),
        ("mounted", mount.mounted().into()),
        ("read_only", mount.read_only().into()),
        ("used_by", mount.user().map_or(Dynamic::UNIT, |user| user.number().into())),
        ("path", host_path(mount.path())),
        ("host_path", host_path(mount.host_path())),
        ("work", host_path(mount.work())),
        ("upper", mount.upper().map_or(Dynamic::UNIT, Dynamic::from)),
        ("stack", stack.into()),
    ])
}

/// An image's properties.
pub(super) fn image_map(image: &Image) -> Map {
    let layers: Array = image.layers().iter().map(|layer| layer.title().into()).collect();
    let labels: Map = image.labels().map(|(key, value)| (key.into(), value.into())).collect();
    map_of([
        ("name", image.name().map_or(Dynamic::UNIT, Into::into)),
        ("id", image.id().to_string().into()),
        ("digest", id_text(image.digest())),
        ("platform", image.platform().into()),
        ("created", image.created().map_or(Dynamic::UNIT, seconds)),
        ("layers", layers.into()),
        ("labels", labels.into()),
        ("size", image.size().map_or(Dynamic::UNIT, int)),
        ("download_size", int(image.download_size())),
    ])
}
