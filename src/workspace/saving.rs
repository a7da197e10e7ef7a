//! Images written: an image, a stack, or what a mount stands on.

use super::error::Error;
use super::layer::State;
use super::progress::{Total, interrupted};
use super::{Image, Layer, StackItem, ToWrite, Workspace};
use crate::model::{Digest, Timestamp};
use crate::oci::Platform;
use crate::oci::blob::{Compression, Limits};
use crate::oci::pack::Packing;
use crate::oci::save::{Changes, Kind, Saver, Step, Target, changed};

/// How an image is written.
#[derive(Debug, Default)]
pub struct SaveOptions {
    /// The compression of layers that are made here, else what is usual; those of images stay as they are.
    pub compression: Option<Compression>,
    /// Its level.
    pub level: Option<i32>,
    /// What is other in its config.
    pub changes: Changes,
    /// The image whose config it has, where that is not a new one.
    pub from: Option<Image>,
}

/// Where an image may be written to.
#[derive(Debug)]
pub struct Destination {
    target: Target,
    host: ToWrite,
}

impl Destination {
    /// The file that is replaced; none where it is a directory, in which other images stay.
    pub fn file(&self) -> Option<&ToWrite> {
        (self.target.kind != Kind::Layout).then_some(&self.host)
    }
}

impl Workspace {
    /// Reads where an image is to be written to; `name` is what it is called there, if not what stands there.
    ///
    /// # Errors
    /// [`Error::Save`] where it is no target, [`Error::Sandbox`].
    pub fn destination(&self, text: &[u8], name: Option<&str>) -> Result<Destination, Error> {
        let target = Target::parse(text)?;
        let target = match name {
            Some(name) => target.named(name)?,
            None => target,
        };
        let host = self.to_write(&target.path)?;
        Ok(Destination { target: Target { path: host.path().to_owned(), ..target }, host })
    }

    /// Writes an image; gives its ID. Of a mount it is what lies beneath its upper.
    ///
    /// # Errors
    /// [`Error::Save`]; [`Error::WrongLayer`] for a directory of the host; those of the store.
    pub fn save_image(
        &self,
        items: &[StackItem],
        to: Destination,
        options: &SaveOptions,
    ) -> Result<Digest, Error> {
        for item in items {
            if let StackItem::Mount(mount) = item
                && mount.dirty()?
            {
                let name = mount.name();
                self.note(format!(
                    "the changes in `{name}` are not in the image: `commit()` makes a layer of them"
                ));
            }
        }
        let stack = self.stack(items)?;
        for layer in stack.layers() {
            layer.seal()?;
        }
        let work = self.work(|| {
            let sizes: Result<Vec<u64>, Error> = stack.layers().iter().map(Layer::size).collect();
            let total = sizes.map_or(Total::Unknown, |sizes| Total::of_bytes(sizes.iter().sum()));
            (format!("writing {}", to.host.path().display()), total)
        });
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut saver = Saver::new(to.target, threads, self.options().epoch)?;
        let plain = Packing::new(options.compression.unwrap_or(saver.compression()));
        let packing = Packing { level: options.level.unwrap_or(plain.level), ..plain };
        for layer in stack.layers() {
            interrupted()?;
            match layer.state() {
                State::Sealed { id, .. } => saver.layer(packing, |out| {
                    Ok::<(), Error>(self.store()?.export_tar(id, out, &mut work.watch())?)
                })?,
                State::Blob(blob) => {
                    let packed = saver.layer_as_it_is(blob.blob(), &Limits::default(), blob.diff_id)?;
                    work.bytes(blob.blob_size());
                    packed
                }
                State::Host(_) | State::Draft(_) | State::Upper(_) => {
                    return Err(Error::WrongLayer {
                        layer: layer.title(),
                        is: "no sealed layer",
                        instead: "`layer(\"NAME\").add(DIR)` makes a layer of a directory".to_owned(),
                    });
                }
            };
        }
        let steps: Vec<Step> = stack.layers().iter().map(|layer| self.step(layer)).collect();
        let (base, own) = (options.from.as_ref(), Platform::own());
        let own = (own.os.as_str(), own.architecture.as_str());
        let known = base.map(Image::config);
        let config = changed(known, &saver.diff_ids(), &steps, &options.changes, self.now(), own)?;
        Ok(saver.finish(&config, base.and_then(Image::manifest))?.id)
    }

    /// How a layer was made, as the image's history tells it.
    fn step(&self, layer: &Layer) -> Step {
        let label = layer.label();
        let last = |time: Timestamp| self.options().epoch.map_or(time, |epoch| time.min(epoch));
        Step { created: label.created.map(last), comment: label.message }
    }
}
