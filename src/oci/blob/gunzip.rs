//! gzip, of any number of members, from its beginning or from a checkpoint.
//!
//! # Source
//! RFC 1952, sections 2.2 and 2.3.

use flate2::Crc;

use super::checkpoints::Marks;
use super::input::Input;
use super::{Compression, Error};
use crate::sys::inflate::{Flaw, Inflate, Place};

const HOW: Compression = Compression::Gzip;
/// Bytes of a header that has no optional parts.
const HEADER: usize = 10;
/// CRC-32 and length.
const TRAILER: usize = 8;
/// The longest name or comment in a header that is read.
const LONGEST_TEXT: usize = 64 * 1024;

/// Flags of a header.
const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// The stream.
pub(super) struct Gunzip {
    input: Input,
    inflate: Inflate,
    phase: Phase,
    /// Of the member that is read; `None` where its beginning was not seen.
    crc: Option<Crc>,
    /// Bytes that came out.
    plain: u64,
    marks: Option<Marks>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Header,
    Body,
    Ended,
}

impl Gunzip {
    /// From where a member begins, `plain` bytes into what comes out.
    pub(super) fn new(input: Input, plain: u64, marks: Option<Marks>) -> Result<Self, Error> {
        let inflate = Inflate::new().map_err(|flaw| damaged(&input, flaw))?;
        Ok(Self { input, inflate, phase: Phase::Header, crc: None, plain, marks })
    }

    /// From between two blocks, in the middle of a byte where `bit` is not 0.
    pub(super) fn resumed(mut input: Input, plain: u64, bit: u8, window: &[u8]) -> Result<Self, Error> {
        let inflate = if bit == 0 {
            Inflate::resumed(window, 0, 0)
        } else {
            let &[byte, ..] = input.peek(1)? else { return Err(cut(&input)) };
            input.consume(1);
            Inflate::resumed(window, 8 - bit, byte)
        };
        let inflate = inflate.map_err(|flaw| damaged(&input, flaw))?;
        Ok(Self { input, inflate, phase: Phase::Body, crc: None, plain, marks: None })
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
            match self.phase {
                Phase::Header => self.begin()?,
                Phase::Body => written += self.step(&mut out[written..])?,
                Phase::Ended => break,
            }
        }
        Ok(written)
    }

    /// One step within a member.
    fn step(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        // the stream stops at the ends of blocks only where a checkpoint is due: until then that would cost time
        let until = self.marks.as_ref().map_or(u64::MAX, |marks| marks.until_due(self.plain));
        let due = until == 0;
        let most = if due {
            out.len()
        } else {
            usize::try_from(until).map_or(out.len(), |until| until.min(out.len()))
        };
        let out = &mut out[..most];
        let input = self.input.peek(1)?;
        let none = input.is_empty();
        let step = self.inflate.run(input, out, due);
        let step = step.map_err(|flaw| damaged(&self.input, flaw))?;
        self.input.consume(step.read);
        self.plain += step.written as u64;
        if let Some(crc) = &mut self.crc {
            crc.update(&out[..step.written]);
        }
        match step.at {
            Place::End => self.end()?,
            Place::Between(bits) if due => {
                if let Some(marks) = &mut self.marks {
                    let place = self.input.place() * 8 - u64::from(bits);
                    marks.note(self.plain, place, Some(&self.inflate.window()))?;
                }
            }
            Place::Between(_) | Place::Within if none && step.written == 0 => return Err(cut(&self.input)),
            Place::Between(_) | Place::Within => {}
        }
        Ok(step.written)
    }

    /// Reads a member's header, or finds the end of the blob.
    fn begin(&mut self) -> Result<(), Error> {
        let at = self.input.place();
        let left = self.input.left();
        let head = self.input.peek(HEADER)?;
        if head.is_empty() && at > 0 {
            self.phase = Phase::Ended;
            return Ok(());
        }
        let wrong = |why: &str| Error::Damaged { how: HOW, at, why: why.to_owned() };
        if !head.starts_with(&[0x1f, 0x8b]) {
            return Err(match at {
                0 => wrong("it is no gzip"),
                _ => Error::Trailing { how: HOW, at, bytes: left },
            });
        }
        let &[_, _, method, flags, _, _, _, _, _, _, ..] = head else { return Err(cut(&self.input)) };
        if method != 8 {
            return Err(wrong("its method is not deflate"));
        }
        if flags & !0x1f != 0 {
            return Err(wrong("its header has flags that are not known"));
        }
        let mut crc = Crc::new();
        self.take(HEADER, &mut crc)?;
        if flags & EXTRA != 0 {
            let length = self.take(2, &mut crc)?;
            let length = u16::from_le_bytes([length[0], length[1]]);
            self.take(usize::from(length), &mut crc)?;
        }
        for text in [NAME, COMMENT] {
            if flags & text != 0 {
                let mut length = 0;
                while self.take(1, &mut crc)? != [0] {
                    length += 1;
                    if length > LONGEST_TEXT {
                        return Err(wrong("a name in its header is too long"));
                    }
                }
            }
        }
        if flags & HEADER_CRC != 0 {
            let expected = (crc.sum() & 0xffff).to_le_bytes();
            if self.take(2, &mut crc)? != expected[..2] {
                return Err(wrong("the checksum of its header is wrong"));
            }
        }
        if at > 0 {
            self.inflate.reset().map_err(|flaw| damaged(&self.input, flaw))?;
            if let Some(marks) = self.marks.as_mut().filter(|marks| marks.until_due(self.plain) == 0) {
                marks.note(self.plain, at * 8, None)?;
            }
        }
        self.crc = Some(Crc::new());
        self.phase = Phase::Body;
        Ok(())
    }

    /// Checks a member's trailer.
    fn end(&mut self) -> Result<(), Error> {
        let at = self.input.place();
        let trailer = self.take(TRAILER, &mut Crc::new())?;
        if let Some(crc) = self.crc.take() {
            let wrong = |why: &str| Error::Damaged { how: HOW, at, why: why.to_owned() };
            if trailer[..4] != crc.sum().to_le_bytes() {
                return Err(wrong("its CRC-32 is wrong"));
            }
            if trailer[4..] != crc.amount().to_le_bytes() {
                return Err(wrong("its length is not what it says"));
            }
        }
        self.phase = Phase::Header;
        Ok(())
    }

    /// Takes so many bytes of a header or a trailer.
    fn take(&mut self, bytes: usize, crc: &mut Crc) -> Result<Vec<u8>, Error> {
        let taken = self.input.peek(bytes)?.get(..bytes).map(<[u8]>::to_vec);
        let Some(taken) = taken else { return Err(cut(&self.input)) };
        self.input.consume(bytes);
        crc.update(&taken);
        Ok(taken)
    }
}

fn damaged(input: &Input, flaw: Flaw) -> Error {
    Error::Damaged { how: HOW, at: input.place(), why: flaw.0 }
}

fn cut(input: &Input) -> Error {
    Error::Cut { how: HOW, at: input.place() + input.left() }
}
