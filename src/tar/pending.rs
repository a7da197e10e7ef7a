//! What the extension headers before an entry say: PAX records and GNU long names.

use tar_core::Header;

use super::limits::Limits;
use super::sparse::Extent;
use super::{field, pax};
use crate::model::{Metadata, Mode, Timestamp, Xattrs, decode_xattrs, names};

/// A record that is the attribute `security.selinux`.
const LABEL: &[u8] = b"RHT.security.selinux";

/// What extension headers say about the next entry.
#[derive(Default)]
pub(super) struct Pending {
    /// Bytes of the extension headers.
    pub(super) bytes: u64,
    /// GNU's long name.
    pub(super) gnu_name: Option<Vec<u8>>,
    /// GNU's long target.
    pub(super) gnu_target: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    /// The stored size.
    pub(super) size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Timestamp>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// A label as Red Hat's tar and star write it.
    label: bool,
    /// Whether there was an access control list as text.
    pub(super) text_acl: bool,
    /// The layout of a sparse file.
    pub(super) sparse: Sparse,
}

/// GNU's records on a sparse file, all versions.
#[derive(Default)]
pub(super) struct Sparse {
    name: Option<Vec<u8>>,
    /// The full size.
    pub(super) size: Option<u64>,
    /// The layout's version.
    pub(super) major: Option<u64>,
    /// The stretches of data, in versions 0.0 and 0.1.
    pub(super) map: Option<Vec<Extent>>,
    offset: Option<u64>,
}

impl Pending {
    /// Takes in PAX records; an empty value takes an earlier one back.
    pub(super) fn apply(&mut self, records: &[u8], limits: Limits) -> Result<(), &'static str> {
        const NUMBER: &str = "a PAX record is no number";
        let set = |value: &[u8]| (!value.is_empty()).then(|| value.to_vec());
        let number = |value: &[u8]| match value {
            b"" => Ok(None),
            _ => pax::number(value).map(Some).ok_or(NUMBER),
        };
        for (key, value) in pax::parse(records).ok_or("a PAX record is damaged")? {
            match key {
                b"path" => self.path = set(value),
                b"linkpath" => self.target = set(value),
                b"size" => self.size = number(value)?,
                b"uid" => self.uid = number(value)?,
                b"gid" => self.gid = number(value)?,
                b"mtime" if value.is_empty() => self.mtime = None,
                b"mtime" => self.mtime = Some(pax::parse_time(value).ok_or("a PAX time is no number")?),
                b"SCHILY.acl.access" | b"SCHILY.acl.default" | b"SCHILY.acl.ace" => self.text_acl = true,
                b"GNU.sparse.name" => self.sparse.name = set(value),
                b"GNU.sparse.major" => self.sparse.major = number(value)?,
                b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = number(value)?,
                b"GNU.sparse.numblocks" => self.sparse.map = Some(Vec::new()),
                b"GNU.sparse.offset" => self.sparse.offset = number(value)?,
                b"GNU.sparse.numbytes" => {
                    let pair = self.sparse.offset.take().zip(number(value)?).ok_or(NUMBER)?;
                    self.sparse.map.get_or_insert_default().push(pair);
                }
                b"GNU.sparse.map" => {
                    let numbers: Option<Vec<u64>> = value.split(|&b| b == b',').map(pax::number).collect();
                    let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0).ok_or(NUMBER)?;
                    self.sparse.map = Some(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect());
                }
                LABEL => self.label = true,
                _ => {
                    if let Some(name) = key.strip_prefix(pax::SCHILY_XATTR) {
                        self.xattrs.push((pax::parse_name(name), value.to_vec()));
                    } else if let Some(name) = key.strip_prefix(pax::LIBARCHIVE_XATTR) {
                        let decoded = pax::parse_url(name).zip(pax::parse_base64(value));
                        self.xattrs.push(decoded.ok_or("a PAX attribute is damaged")?);
                    }
                }
            }
        }
        if self.sparse.map.as_ref().is_some_and(|map| map.len() > limits.extents) {
            return Err("a sparse file has too many stretches");
        }
        Ok(())
    }

    /// The entry's raw name.
    pub(super) fn name(&mut self, header: &Header) -> Vec<u8> {
        let fields = header.as_ustar();
        let extended = self.sparse.name.take().or_else(|| self.path.take()).or_else(|| self.gnu_name.take());
        extended.unwrap_or_else(|| {
            let (prefix, name) = (field::text(&fields.prefix), field::text(&fields.name));
            if header.is_ustar() && !prefix.is_empty() {
                [prefix, b"/", name].concat()
            } else {
                name.to_vec()
            }
        })
    }

    /// The raw target of a link.
    pub(super) fn target(&mut self, header: &Header) -> Vec<u8> {
        let extended = self.target.take().or_else(|| self.gnu_target.take());
        extended.unwrap_or_else(|| field::text(&header.as_ustar().linkname).to_vec())
    }

    /// The entry's metadata.
    pub(super) fn metadata(&self, header: &Header) -> Result<Metadata, &'static str> {
        let fields = header.as_ustar();
        let owner = |record: Option<u64>, field: &[u8]| match record {
            Some(id) => id.try_into().ok(),
            None => field::fitting(field),
        };
        // chown(2) takes the highest for "leave it as it is"
        let owner = |record, field: &[u8]| owner(record, field).filter(|&id: &u32| id != u32::MAX);
        let mtime = match self.mtime {
            Some(mtime) => mtime,
            None => Timestamp { secs: field::fitting(&fields.mtime).ok_or("a time is no number")?, nanos: 0 },
        };
        let mode: u64 = field::fitting(&fields.mode).ok_or("a mode is no number")?;
        Ok(Metadata {
            mode: Mode::new((mode & 0o7777) as u32),
            uid: owner(self.uid, &fields.uid).ok_or("an owner is no number from 0 to 4294967294")?,
            gid: owner(self.gid, &fields.gid).ok_or("a group is no number from 0 to 4294967294")?,
            mtime,
            xattrs: self.xattrs(),
        })
    }

    /// The attributes that no layer carries.
    pub(super) fn left_out<'a>(&'a self, kept: &'a Xattrs) -> impl Iterator<Item = &'a [u8]> {
        let names = self.xattrs.iter().map(|(name, _)| &name[..]).filter(|name| !kept.contains_key(*name));
        names.chain(self.label.then_some(LABEL))
    }

    /// The attributes as a layer carries them: overlay marks of a foreign archive are plain attributes.
    fn xattrs(&self) -> Xattrs {
        let plain = self.xattrs.iter().filter(|(name, _)| !name.starts_with(names::UFS));
        let escaped: Vec<(Vec<u8>, &[u8])> = plain
            .map(|(name, value)| match name.strip_prefix(names::OVERLAY) {
                Some(rest) => ([names::ESCAPED, rest].concat(), &**value),
                None => (name.clone(), &**value),
            })
            .collect();
        decode_xattrs(escaped.iter().map(|(name, value)| (&**name, *value))).xattrs
    }
}
