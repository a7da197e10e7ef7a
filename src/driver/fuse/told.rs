//! Changes as messages: from the process that serves a mount to the one that listens.
//!
//! A message is a byte for what happened, then its fields: a path with its length before it (four bytes, little-endian),
//! a type or an aspect as a byte, a layer as four bytes, a number of bytes as eight. It goes in pieces, as the paths of
//! a deep tree are longer than what a socket takes at once: each begins with a byte that tells whether more follow.
//! Both processes are one program.

use crate::model::{Kind, LayerPath};
use crate::overlay::Aspect;
use crate::union::{Event, Over};

/// The longest piece of a message, in bytes.
pub(super) const PIECE: usize = 16 << 10;

const KINDS: [Kind; 7] =
    [Kind::Dir, Kind::File, Kind::Symlink, Kind::Fifo, Kind::Socket, Kind::CharDevice, Kind::BlockDevice];
const ASPECTS: [Aspect; 6] =
    [Aspect::Type, Aspect::Content, Aspect::Mode, Aspect::Owner, Aspect::Xattr, Aspect::Time];
/// No layer; no layer but a whiteout.
const NONE: u32 = u32::MAX;
const WHITEOUT: u32 = u32::MAX - 1;

struct Writer(Vec<u8>);

impl Writer {
    fn path(mut self, path: &LayerPath) -> Self {
        let bytes = path.as_bytes();
        self.0.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend(bytes);
        self
    }

    fn one_of<T: PartialEq>(mut self, all: &[T], value: &T) -> Self {
        let index = all.iter().position(|known| known == value).and_then(|index| u8::try_from(index).ok());
        self.0.push(index.unwrap_or(u8::MAX));
        self
    }

    fn kind(self, kind: Kind) -> Self {
        self.one_of(&KINDS, &kind)
    }

    fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn layer(self, layer: Option<usize>) -> Self {
        self.number(layer.and_then(|layer| u32::try_from(layer).ok()).unwrap_or(NONE))
    }

    fn flag(mut self, flag: bool) -> Self {
        self.0.push(flag.into());
        self
    }
}

/// Writes a message.
pub(super) fn encode(event: &Event) -> Vec<u8> {
    let begin = |tag| Writer(vec![tag]);
    let written = match event {
        Event::CopiedUp { path, kind, from, bytes } => {
            let mut written = begin(0).path(path).kind(*kind).layer(Some(*from));
            written.0.extend(bytes.to_le_bytes());
            written
        }
        Event::Created { path, kind, over } => begin(1).path(path).kind(*kind).number(match over {
            Over::Nothing => NONE,
            Over::Whiteout => WHITEOUT,
            Over::Layer(layer) => u32::try_from(*layer).unwrap_or(NONE),
        }),
        Event::Changed { path, kind, what, copied_up } => {
            begin(2).path(path).kind(*kind).one_of(&ASPECTS, what).flag(*copied_up)
        }
        Event::Whiteout { path, hides } => begin(3).path(path).layer(*hides),
        Event::Opaque { path, hides, made } => begin(4).path(path).layer(*hides).flag(*made),
        Event::Renamed { from, to, kind, hides } => begin(5).path(from).path(to).kind(*kind).layer(*hides),
        Event::Exchanged { from, to } => begin(6).path(from).path(to),
        Event::Removed { path, kind } => begin(7).path(path).kind(*kind),
    };
    written.0
}

/// The pieces of a message, in order.
pub(super) fn pieces(message: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = message.chunks(PIECE - 1).peekable();
    std::iter::from_fn(move || {
        let piece = rest.next()?;
        Some([&[u8::from(rest.peek().is_some())], piece].concat())
    })
}

/// Puts pieces together again.
#[derive(Default)]
pub(super) struct Joined(Vec<u8>);

impl Joined {
    /// Takes the next piece; gives the message once it is whole.
    pub(super) fn take(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let (more, piece) = piece.split_first()?;
        self.0.extend_from_slice(piece);
        (*more == 0).then(|| std::mem::take(&mut self.0))
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn path(&mut self) -> Option<LayerPath> {
        let length = usize::try_from(self.number()?).ok()?;
        LayerPath::parse(self.take(length)?).ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn kind(&mut self) -> Option<Kind> {
        KINDS.get(usize::from(self.byte()?)).copied()
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }
}

/// The layer that a number means.
fn layer(number: u32) -> Option<usize> {
    if number == NONE { None } else { usize::try_from(number).ok() }
}

/// Reads a message back; `None` for what is none.
pub(super) fn decode(message: &[u8]) -> Option<Event> {
    let mut read = Reader(message);
    Some(match read.byte()? {
        0 => Event::CopiedUp {
            path: read.path()?,
            kind: read.kind()?,
            from: layer(read.number()?)?,
            bytes: u64::from_le_bytes(read.take(8)?.try_into().ok()?),
        },
        1 => Event::Created {
            path: read.path()?,
            kind: read.kind()?,
            over: match read.number()? {
                NONE => Over::Nothing,
                WHITEOUT => Over::Whiteout,
                number => Over::Layer(layer(number)?),
            },
        },
        2 => Event::Changed {
            path: read.path()?,
            kind: read.kind()?,
            what: ASPECTS.get(usize::from(read.byte()?)).copied()?,
            copied_up: read.byte()? != 0,
        },
        3 => Event::Whiteout { path: read.path()?, hides: layer(read.number()?) },
        4 => Event::Opaque { path: read.path()?, hides: layer(read.number()?), made: read.byte()? != 0 },
        5 => Event::Renamed {
            from: read.path()?,
            to: read.path()?,
            kind: read.kind()?,
            hides: layer(read.number()?),
        },
        6 => Event::Exchanged { from: read.path()?, to: read.path()? },
        7 => Event::Removed { path: read.path()?, kind: read.kind()? },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_any_length_goes_in_pieces() {
        for length in [1, PIECE - 1, PIECE, 3 * PIECE] {
            let message: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let (mut joined, mut whole) = (Joined::default(), Vec::new());
            for piece in pieces(&message) {
                assert!(piece.len() <= PIECE);
                whole.extend(joined.take(&piece));
            }
            assert_eq!(whole, [message]);
        }
    }

    #[test]
    fn what_is_told_arrives_as_it_was() {
        let path = |text: &str| LayerPath::parse(text.as_bytes()).unwrap();
        let (a, b) = (path("a/\u{e4}"), path(&"b/".repeat(2000)));
        let mut events = vec![
            Event::CopiedUp { path: a.clone(), kind: Kind::File, from: 499, bytes: 1 << 40 },
            Event::Created { path: LayerPath::root(), kind: Kind::Dir, over: Over::Nothing },
            Event::Created { path: a.clone(), kind: Kind::Fifo, over: Over::Whiteout },
            Event::Created { path: a.clone(), kind: Kind::Socket, over: Over::Layer(0) },
            Event::Whiteout { path: a.clone(), hides: None },
            Event::Whiteout { path: a.clone(), hides: Some(3) },
            Event::Opaque { path: a.clone(), hides: Some(0), made: true },
            Event::Renamed { from: a.clone(), to: b.clone(), kind: Kind::Symlink, hides: None },
            Event::Exchanged { from: a.clone(), to: b },
            Event::Removed { path: a.clone(), kind: Kind::BlockDevice },
        ];
        for what in ASPECTS {
            events.push(Event::Changed { path: a.clone(), kind: Kind::CharDevice, what, copied_up: true });
        }
        for event in events {
            let message = encode(&event);
            assert_eq!(decode(&message).as_ref(), Some(&event));
            for length in 0..message.len() {
                assert_eq!(decode(&message[..length]), None);
            }
        }
    }
}
