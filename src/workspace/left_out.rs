//! What a copy could not take along, for a note.

use crate::model::LayerPath;

/// What was left out, each kind with how many there were.
#[derive(Default)]
pub(super) struct LeftOut {
    owners: Kind,
    times: Kind,
    attributes: Kind,
    devices: Kind,
}

/// How many, and the first of them.
#[derive(Default)]
struct Kind {
    count: u64,
    first: String,
}

impl Kind {
    fn add(&mut self, first: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = first();
        }
        self.count += 1;
    }

    /// `the owners of 3 files (/srv/a first)`.
    fn say(&self, one: &str, many: &str) -> Option<String> {
        match self.count {
            0 => None,
            1 => Some(format!("{one} {}", self.first)),
            count => Some(format!("{} ({} first)", many.replace('#', &count.to_string()), self.first)),
        }
    }
}

impl LeftOut {
    /// The owner that a layer gives a file.
    pub(super) fn owner(&mut self, path: &LayerPath) {
        self.owners.add(|| format!("{path:?}"));
    }

    /// The time that a layer gives a file.
    pub(super) fn time(&mut self, path: &LayerPath) {
        self.times.add(|| format!("{path:?}"));
    }

    /// An attribute.
    pub(super) fn attribute(&mut self, path: &LayerPath, name: &[u8]) {
        self.attributes.add(|| format!("`{}` of {path:?}", name.escape_ascii()));
    }

    /// A whole file, which only a privileged user can make.
    pub(super) fn device(&mut self, path: &LayerPath) {
        self.devices.add(|| format!("{path:?}"));
    }

    /// All of it in words; `None` where nothing was left out.
    pub(super) fn say(&self) -> Option<String> {
        let all = [
            self.devices.say("the device", "# devices"),
            self.owners.say("the owner of", "the owners of # files"),
            self.times.say("the time of", "the times of # files"),
            self.attributes.say("the attribute", "# attributes"),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        if all.is_empty() { None } else { Some(all.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_named_and_many_are_counted() {
        let path = |text: &str| LayerPath::parse(text.as_bytes()).unwrap();
        let mut left = LeftOut::default();
        assert_eq!(left.say(), None);
        left.attribute(&path("/f"), b"trusted.k");
        left.device(&path("/dev/null"));
        left.device(&path("/dev/zero"));
        assert_eq!(left.say().unwrap(), "2 devices (/dev/null first), the attribute `trusted.k` of /f");
    }
}
