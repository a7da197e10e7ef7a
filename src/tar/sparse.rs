//! Where the data of a sparse file lie.

/// A stretch of data in a file: offset and length in bytes.
pub(super) type Extent = (u64, u64);

/// The data of a sparse file, in order; everything else is a hole.
#[derive(Debug)]
pub(super) struct Map {
    extents: Vec<Extent>,
    next: usize,
    position: u64,
    size: u64,
}

/// What comes next in a file.
pub(super) enum Run {
    /// So many stored bytes.
    Data(u64),
    /// So many zeros that are not stored.
    Hole(u64),
}

impl Map {
    /// Checks extents against the file's size and the bytes stored for it; `None` if they do not fit.
    pub(super) fn new(mut extents: Vec<Extent>, size: u64, stored: u64) -> Option<Self> {
        let (mut end, mut sum) = (0_u64, 0_u64);
        for &(offset, length) in &extents {
            if offset < end {
                return None;
            }
            end = offset.checked_add(length)?;
            sum = sum.checked_add(length)?;
        }
        extents.retain(|&(_, length)| length > 0);
        (end <= size && sum == stored).then_some(Self { extents, next: 0, position: 0, size })
    }

    /// The stretches of data, in order.
    pub(super) fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// What comes next; `None` at the end.
    pub(super) fn run(&self) -> Option<Run> {
        match self.extents.get(self.next) {
            Some(&(offset, length)) if offset <= self.position => {
                Some(Run::Data(offset + length - self.position))
            }
            Some(&(offset, _)) => Some(Run::Hole(offset - self.position)),
            None if self.position < self.size => Some(Run::Hole(self.size - self.position)),
            None => None,
        }
    }

    /// Goes on by bytes of the current run.
    pub(super) fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        if self.extents.get(self.next).is_some_and(|&(offset, length)| offset + length <= self.position) {
            self.next += 1;
        }
    }
}
