//! A raw deflate stream that can be left between two blocks and taken up again there.
//!
//! What zlib offers for this (stop at the end of a block, hand out the window, begin in the middle of a byte) no safe
//! interface hands on; this is the one place that calls it.
//!
//! # Source
//! zlib's manual, `inflate` with `Z_BLOCK`, `inflatePrime`, `inflateSetDictionary`, `inflateGetDictionary`; RFC 1951.

use std::ffi::{CStr, c_int, c_uint};
use std::ptr;

use libz_rs_sys::{self as zlib};

/// The most that a deflate stream refers back to, in bytes.
pub const WINDOW: usize = 32 * 1024;

/// A stream without a header and a trailer of its own.
pub struct Inflate {
    stream: Box<zlib::z_stream>,
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflate")
    }
}

// SAFETY: the stream owns all that its pointers lead to; those to the caller's buffers are cleared after each call.
#[expect(unsafe_code, reason = "a pointer that is owned may go to another thread")]
unsafe impl Send for Inflate {}

/// What one call did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Bytes taken from the input.
    pub read: usize,
    /// Bytes put into the output.
    pub written: usize,
    /// Where the stream stands now.
    pub at: Place,
}

/// Where a stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Somewhere.
    Within,
    /// Between two blocks; so many bits of what was taken from the input belong to the next one.
    Between(u8),
    /// Behind its last block.
    End,
}

/// What is wrong with a stream, in zlib's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flaw(pub String);

impl Inflate {
    /// A stream at its beginning.
    ///
    /// # Errors
    /// Where there is no memory.
    #[expect(unsafe_code, reason = "inflateInit2")]
    pub fn new() -> Result<Self, Flaw> {
        let mut stream = Box::<zlib::z_stream>::default();
        let size = c_int::try_from(size_of::<zlib::z_stream>()).unwrap_or_default();
        // SAFETY: the stream is initialised, lies in its own box and is ended by `drop`; the version is a static string.
        let told = unsafe { zlib::inflateInit2_(&raw mut *stream, -15, zlib::zlibVersion(), size) };
        if told == zlib::Z_OK { Ok(Self { stream }) } else { Err(Flaw("it cannot be begun".to_owned())) }
    }

    /// Takes up a stream between two blocks: `window` is what came out right before, `bits` of `byte` (the upper ones) are
    /// what the block before left of its last byte.
    ///
    /// # Errors
    /// Where there is no memory.
    #[expect(unsafe_code, reason = "inflatePrime, inflateSetDictionary")]
    pub fn resumed(window: &[u8], bits: u8, byte: u8) -> Result<Self, Flaw> {
        let mut new = Self::new()?;
        let bits = bits.min(7);
        let failed = || Flaw("it cannot be taken up".to_owned());
        if bits > 0 {
            // SAFETY: the stream is initialised.
            let told = unsafe {
                zlib::inflatePrime(&raw mut *new.stream, c_int::from(bits), c_int::from(byte >> (8 - bits)))
            };
            if told != zlib::Z_OK {
                return Err(failed());
            }
        }
        let window = &window[window.len().saturating_sub(WINDOW)..];
        if !window.is_empty() {
            let length = c_uint::try_from(window.len()).map_err(|_| failed())?;
            // SAFETY: the stream is initialised, the window is read for its length during the call only.
            let told = unsafe { zlib::inflateSetDictionary(&raw mut *new.stream, window.as_ptr(), length) };
            if told != zlib::Z_OK {
                return Err(failed());
            }
        }
        Ok(new)
    }

    /// Begins another stream, with the memory of this one.
    ///
    /// # Errors
    /// None that zlib knows for a stream that was begun.
    #[expect(unsafe_code, reason = "inflateReset")]
    pub fn reset(&mut self) -> Result<(), Flaw> {
        // SAFETY: the stream is initialised.
        let told = unsafe { zlib::inflateReset(&raw mut *self.stream) };
        if told == zlib::Z_OK { Ok(()) } else { Err(Flaw("it cannot be begun again".to_owned())) }
    }

    /// Goes on until the input is used up, the output full or the stream at its end; where `stop` says so, also until a
    /// block ends.
    ///
    /// # Errors
    /// [`Flaw`] where it is no deflate stream.
    #[expect(unsafe_code, reason = "inflate")]
    pub fn run(&mut self, input: &[u8], output: &mut [u8], stop: bool) -> Result<Step, Flaw> {
        let stream = &mut *self.stream;
        // longer buffers are used in several calls
        let given = c_uint::try_from(input.len()).unwrap_or(c_uint::MAX);
        let room = c_uint::try_from(output.len()).unwrap_or(c_uint::MAX);
        (stream.next_in, stream.avail_in) = (input.as_ptr(), given);
        (stream.next_out, stream.avail_out) = (output.as_mut_ptr(), room);
        let flush = if stop { zlib::Z_BLOCK } else { zlib::Z_NO_FLUSH };
        // SAFETY: the stream is initialised; both buffers are as long as it was told and outlive the call.
        let told = unsafe { zlib::inflate(&raw mut *stream, flush) };
        let (left, free) = (stream.avail_in, stream.avail_out);
        (stream.next_in, stream.avail_in) = (ptr::null(), 0);
        (stream.next_out, stream.avail_out) = (ptr::null_mut(), 0);
        let state = stream.data_type;
        let at = match told {
            zlib::Z_STREAM_END => Place::End,
            // 128: before the header of a block; 64: it was the last one
            zlib::Z_OK | zlib::Z_BUF_ERROR if state & 0xc0 == 0x80 => {
                Place::Between(u8::try_from(state & 0x3f).unwrap_or_default())
            }
            zlib::Z_OK | zlib::Z_BUF_ERROR => Place::Within,
            _ => return Err(Flaw(self.words())),
        };
        Ok(Step { read: (given - left) as usize, written: (room - free) as usize, at })
    }

    /// The last bytes that came out, at most [`WINDOW`].
    #[expect(unsafe_code, reason = "inflateGetDictionary")]
    pub fn window(&self) -> Vec<u8> {
        let mut window = vec![0; WINDOW];
        let mut length: c_uint = 0;
        // SAFETY: the stream is initialised and is only read; the window takes the most that is written.
        let told = unsafe {
            zlib::inflateGetDictionary(&raw const *self.stream, window.as_mut_ptr(), &raw mut length)
        };
        window.truncate(if told == zlib::Z_OK { length as usize } else { 0 });
        window
    }

    #[expect(unsafe_code, reason = "zlib's message is a C string")]
    fn words(&self) -> String {
        if self.stream.msg.is_null() {
            return "it is damaged".to_owned();
        }
        // SAFETY: where there is a message, it is a static string.
        unsafe { CStr::from_ptr(self.stream.msg) }.to_string_lossy().into_owned()
    }
}

impl Drop for Inflate {
    #[expect(unsafe_code, reason = "inflateEnd")]
    fn drop(&mut self) {
        // SAFETY: the stream is initialised and not used any more.
        unsafe { zlib::inflateEnd(&raw mut *self.stream) };
    }
}
