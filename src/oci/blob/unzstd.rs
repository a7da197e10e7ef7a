//! zstd, of any number of frames, from its beginning or from where a frame begins.
//!
//! # Source
//! RFC 8878, sections 3.1.1 and 3.1.2.

use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::checkpoints::Marks;
use super::input::Input;
use super::{Compression, Error};

const HOW: Compression = Compression::Zstd;
/// The largest window, as a power of two: what `zstd` itself takes without being asked.
const WINDOW: u32 = 27;

/// The stream.
pub(super) struct Unzstd {
    input: Input,
    decoder: Decoder<'static>,
    /// Whether the next byte begins a frame.
    fresh: bool,
    /// Bytes that came out.
    plain: u64,
    marks: Option<Marks>,
}

impl Unzstd {
    /// From where a frame begins, `plain` bytes into what comes out.
    pub(super) fn new(input: Input, plain: u64, marks: Option<Marks>) -> Result<Self, Error> {
        let decoder = Decoder::new().and_then(|mut decoder| {
            decoder.set_parameter(DParameter::WindowLogMax(WINDOW))?;
            Ok(decoder)
        });
        let decoder = decoder.map_err(|error| damaged(&input, &error))?;
        Ok(Self { input, decoder, fresh: true, plain, marks })
    }

    /// How many bytes came out, those before the beginning counted.
    pub(super) fn plain(&self) -> u64 {
        self.plain
    }

    /// What it reads from.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// What it reads from, and the checkpoints.
    pub(super) fn into_parts(self) -> (Input, Option<Marks>) {
        (self.input, self.marks)
    }

    /// Puts what comes next into `out`; 0 only at the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let mut written = 0;
        while written < out.len() {
            if self.fresh && !self.begin()? {
                break;
            }
            let input = self.input.peek(1)?;
            let none = input.is_empty();
            let step = self.decoder.run_on_buffers(input, &mut out[written..]);
            let step = step.map_err(|error| damaged(&self.input, &error))?;
            if none && step.bytes_written == 0 {
                return Err(cut(&self.input));
            }
            self.input.consume(step.bytes_read);
            self.plain += step.bytes_written as u64;
            written += step.bytes_written;
            self.fresh = step.remaining == 0;
        }
        Ok(written)
    }

    /// Looks at what a frame begins with; `false` at the end of the blob.
    fn begin(&mut self) -> Result<bool, Error> {
        let (at, left) = (self.input.place(), self.input.left());
        match self.input.peek(4)? {
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {}
            [] if at > 0 => return Ok(false),
            []
            | [0x28 | 0x50..=0x5f]
            | [0x28, 0xb5]
            | [0x28, 0xb5, 0x2f]
            | [0x50..=0x5f, 0x2a]
            | [0x50..=0x5f, 0x2a, 0x4d] => return Err(cut(&self.input)),
            _ => return Err(Error::Trailing { how: HOW, at, bytes: left }),
        }
        if let Some(marks) = self.marks.as_mut().filter(|marks| marks.until_due(self.plain) == 0) {
            marks.note(self.plain, at * 8, None)?;
        }
        self.fresh = false;
        Ok(true)
    }
}

fn damaged(input: &Input, error: &std::io::Error) -> Error {
    Error::Damaged { how: HOW, at: input.place(), why: error.to_string() }
}

fn cut(input: &Input) -> Error {
    Error::Cut { how: HOW, at: input.place() + input.left() }
}
