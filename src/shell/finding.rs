//! What a check or a repair found, as a value in Rhai.

use std::rc::Rc;

use rhai::{Dynamic, Map};

use super::values::{host_path, map_of};
use crate::workspace::Repaired;

/// Something that a check or a repair found.
#[derive(Clone)]
pub(super) struct Finding(pub(super) Rc<Repaired>);

impl Finding {
    pub(super) fn new(found: Repaired) -> Self {
        Self(Rc::new(found))
    }

    pub(super) fn map(&self) -> Map {
        let Repaired { finding, done, failed } = &*self.0;
        let text = |text: &Option<String>| text.clone().map_or(Dynamic::UNIT, Into::into);
        map_of([
            ("kind", finding.kind.word().into()),
            ("of", finding.subject.to_string().into()),
            ("path", host_path(Some(finding.path.clone()))),
            ("what", finding.what.clone().into()),
            ("means", finding.means().into()),
            ("repair", finding.cure.words().into()),
            ("damaged", self.0.is_left().into()),
            ("done", text(done)),
            ("failed", text(failed)),
        ])
    }
}
