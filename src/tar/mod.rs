//! The canonical tar of a layer out, any tar in, compressed or not.
//!
//! # The canonical form, version 1
//! A public contract: the SHA-256 of these bytes is a layer's tree ID. The same layer always gives the same
//! bytes.
//!
//! **Order.** A walk that sorts each directory by raw bytes. In each directory first its opaque marker
//! `.wh..wh..opq`, then its whiteouts `.wh.NAME`, then everything else, each directory right before what it
//! holds. The root's own entry (`./`) comes first, and only where the caller says that it counts.
//!
//! **Names** are raw bytes without a leading `./`; directories end in `/`. A real name that begins with
//! `.wh.` cannot be said and is refused ([`TarError::ReservedName`]); so is a whiteout of such a name.
//! Sockets are left out and reported ([`Summary::sockets`]).
//!
//! **Headers** are ustar (`ustar\0` `00`). Mode, owner and group: 7 octal digits and NUL; size and time:
//! 11 octal digits and NUL; checksum: 6 octal digits, NUL, space; user and group names empty; device numbers
//! only for devices, else NUL. The mode has the 12 permission bits only. Only a file that brings content has
//! a size. Names over 100 bytes are split into prefix and name at the last `/` that makes both fit.
//!
//! **PAX records** (one `x` header named `././@PaxHeader`, mode 0644, owner 0, time 0, right before the
//! entry) only where ustar cannot say it, in this order: `path` and `linkpath` (raw bytes, UTF-8 or not,
//! without `hdrcharset`: GNU tar and Go read them back exactly, and GNU tar warns of that key), `size`, `uid`,
//! `gid` (the header's field is then 0), `mtime` (before 1970, beyond 11 octal digits, or with a fraction:
//! decimal, no closing zeros; the header then has the seconds rounded down where they fit, else 0), then
//! `SCHILY.xattr.NAME` sorted by name, where `%` and `=` in NAME are written `%25` and `%3D` as GNU tar does.
//! No access or change times.
//!
//! **Hard links.** The first name in order holds the content; later ones are link entries (`1`) to it, with
//! the same metadata. Whiteouts and opaque markers are empty regular files with mode, owner and time 0.
//!
//! **Content** is padded with NUL to 512 bytes; holes are written as zeros. The archive ends with two blocks
//! of NUL, nothing more.
//!
//! # Source
//! POSIX.1-2017 `pax` (ustar, extended headers); OCI image-spec `layer.md`; GNU tar manual, "Basic Tar
//! Format", "Storing Sparse Files"; libarchive `tar(5)`.

mod assemble;
mod content;
mod error;
mod field;
mod layer;
mod limits;
mod note;
mod packed;
mod pax;
mod pending;
mod reader;
mod sparse;
#[cfg(test)]
mod tests;
mod writer;

pub use assemble::Assembler;
pub use content::{Content, Piece, Stretch};
pub use error::TarError;
pub use layer::{ContentSource, Summary, write_layer};
pub use limits::Limits;
pub use note::Note;
pub use packed::{Compression, Form, Peeked, is_image, may_be_image, tells_of_image, unpacked};
pub use reader::{Item, Reader, What};
pub use writer::Writer;

/// Bytes of a block: headers and padded content are multiples of it.
const BLOCK: usize = 512;

/// The prefix of a whiteout's name.
const WHITEOUT: &[u8] = b".wh.";

/// The name of an opaque marker.
const OPAQUE: &[u8] = b".wh..wh..opq";
