//! What machine an image is for.
//!
//! # Source
//! image-spec `image-index.md` (platform object); containerd `platforms`, for what a CPU also runs.

use std::fmt;

use serde::Deserialize;

/// An operating system and a CPU.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Platform {
    /// Such as `linux`.
    #[serde(default)]
    pub os: String,
    /// As Go calls it: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// Such as `v7`; none is any.
    #[serde(default)]
    pub variant: Option<String>,
}

impl Platform {
    /// This machine's.
    pub fn own() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", None),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: variant.map(str::to_owned) }
    }

    /// Reads `OS/ARCHITECTURE[/VARIANT]`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (os, architecture) = (parts.next()?, parts.next()?);
        let variant = parts.next();
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let whole = parts.next().is_none() && [os, architecture].into_iter().chain(variant).all(word);
        whole.then(|| Self {
            os: os.to_lowercase(),
            architecture: match architecture.to_lowercase().as_str() {
                "x86_64" => "amd64".to_owned(),
                "aarch64" => "arm64".to_owned(),
                other => other.to_owned(),
            },
            variant: variant.map(str::to_lowercase),
        })
    }

    /// How well an image for `self` serves a machine that wants `wanted`: the more the better, nothing if not at all.
    pub(super) fn serves(&self, wanted: &Self) -> Option<u32> {
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return None;
        }
        match (self.level(), wanted.level()) {
            (own, level) if own == level => Some(1000),
            // any variant serves who names none: the plainest best
            (own, _) if wanted.variant.is_none() => Some(500_u32.saturating_sub(own)),
            // a CPU runs what is made for an older one
            (own, level) if own < level => Some(500 + own),
            _ => None,
        }
    }

    /// The variant as a number: one that is not said is the usual one of its architecture.
    fn level(&self) -> u32 {
        let usual = match self.architecture.as_str() {
            "arm64" => 8,
            "arm" => 7,
            "amd64" => 1,
            _ => 0,
        };
        let said = self.variant.as_deref().filter(|variant| !variant.is_empty());
        said.map_or(usual, |variant| variant.trim_start_matches('v').parse().unwrap_or(999))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |part: &str| if part.is_empty() { "unknown".to_owned() } else { part.to_owned() };
        write!(f, "{}/{}", or(&self.os), or(&self.architecture))?;
        match &self.variant {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(there: &str, wanted: &str) -> Option<u32> {
        Platform::parse(there).unwrap().serves(&Platform::parse(wanted).unwrap())
    }

    #[test]
    fn an_older_variant_serves_and_the_nearest_is_best() {
        assert_eq!(serves("linux/arm/v8", "linux/arm/v7"), None);
        assert!(serves("linux/arm/v7", "linux/arm/v7") > serves("linux/arm/v6", "linux/arm/v7"));
        assert!(serves("linux/arm/v6", "linux/arm/v7") > serves("linux/arm/v5", "linux/arm/v7"));
        assert_eq!(serves("linux/amd64", "linux/arm64"), None);
        assert_eq!(serves("windows/amd64", "linux/amd64"), None);
        assert!(serves("linux/arm64/v8", "linux/arm64").is_some());
        assert!(serves("linux/amd64", "linux/amd64") > serves("linux/amd64/v3", "linux/amd64"));
    }

    #[test]
    fn a_platform_is_two_or_three_words() {
        for bad in ["linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b", ""] {
            assert_eq!(Platform::parse(bad), None, "{bad}");
        }
        assert_eq!(Platform::parse("linux/x86_64").unwrap().to_string(), "linux/amd64");
    }
}
