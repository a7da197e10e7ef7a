//! SHA-256 digests and the IDs made of them.
//!
//! # Source
//! OCI image-spec: `descriptor.md` (digest grammar), `config.md` (diff ID, chain ID).

use std::fmt;
use std::io;

use sha2::Digest as _;

/// A SHA-256 digest: 32 bytes, printed as `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 digest (64 hex digits, with or without `sha256:`)")]
pub struct DigestError {
    /// The text as given.
    pub text: String,
}

impl Digest {
    /// Wraps 32 raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes `bytes` in one go.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Reads `sha256:<64 hex>` or `<64 hex>`.
    ///
    /// # Errors
    /// [`DigestError`] for anything else, upper-case digits included.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let error = || DigestError { text: text.to_owned() };
        if hex.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| match c {
                b'0'..=b'9' => Some(c - b'0'),
                b'a'..=b'f' => Some(c - b'a' + 10),
                _ => None,
            };
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => return Err(error()),
            }
        }
        Ok(Self(bytes))
    }

    /// The 64 hex digits without the algorithm.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
            }
        }
        text
    }

    /// The first 12 hex digits, as people read IDs.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A running SHA-256 that bytes are written into.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Starts empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the stream.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub Digest);

        impl $name {
            /// The 64 hex digits.
            pub fn hex(&self) -> String {
                self.0.hex()
            }

            /// The first 12 hex digits.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A layer's identity in the store: the SHA-256 of its canonical tar.
    TreeId
);
id!(
    /// The SHA-256 of the uncompressed layer tar as it travels. Equal to the [`TreeId`] for layers made here.
    DiffId
);
id!(
    /// The ID of a stack of layers.
    ChainId
);

impl ChainId {
    /// Chains diff IDs, bottom → top; `None` for an empty stack.
    ///
    /// # Source
    /// image-spec `config.md`: `ChainID(n) = sha256(ChainID(n-1) + " " + DiffID(n))` over the printed digests.
    pub fn of(stack: &[DiffId]) -> Option<Self> {
        let (first, rest) = stack.split_first()?;
        Some(
            rest.iter()
                .fold(Self(first.0), |chain, diff| Self(Digest::of(format!("{chain} {diff}").as_bytes()))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_input_has_the_known_digest() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").hex(), hex);
        assert_eq!(Digest::parse(hex), Ok(Digest::of(b"")));
        assert_eq!(Digest::parse(&format!("sha256:{hex}")), Ok(Digest::of(b"")));
        assert!(Digest::parse("sha256:12").is_err());
        assert!(Digest::parse(&hex.to_uppercase()).is_err());
    }

    #[test]
    fn a_chain_id_is_the_hash_of_the_printed_ids() {
        let (a, b) = (DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b")));
        assert_eq!(ChainId::of(&[]), None);
        assert_eq!(ChainId::of(&[a]), Some(ChainId(a.0)));
        assert_eq!(ChainId::of(&[a, b]), Some(ChainId(Digest::of(format!("{a} {b}").as_bytes()))));
    }
}
