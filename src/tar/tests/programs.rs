//! Other programs read our archives, and we read theirs: GNU tar, Python's tarfile.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::{Piece, Reader};
use super::{bytes_of, file, layer, node, path, read, write};
use crate::model::{Change, Changeset, LayerPath, LinkGroup, Mode, Node, Timestamp};

/// Runs a program; `None`, with the reason printed, if it is not there (which fails under `CI=true`).
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is needed: {error}");
            skip(&format!("{program}: {error}"));
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // written aside, so that a full pipe on either side cannot stop both
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let fed = feeder.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors} {fed:?}");
    assert_eq!(errors, "", "{program} {arguments:?}");
    Some(output.stdout)
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// A layer that any user can unpack: files of the caller's own, with everything but devices.
fn sample(home: &Path, fine: bool) -> Changeset {
    let owner = home.metadata().unwrap();
    let mut busy = file(70_000);
    busy.meta.mode = Mode::new(0o750);
    let mut linked = file(3);
    linked.link = Some(LinkGroup(0));
    if fine {
        busy.meta.xattrs.insert(b"user.bytes"[..].into(), b"line\n\0=%\xff"[..].into());
        busy.meta.xattrs.insert(b"user.a=b%c"[..].into(), b"1"[..].into());
        busy.meta.mtime = Timestamp { secs: 1_700_000_000, nanos: 123_456_789 };
        linked.meta.mtime = Timestamp { secs: -2, nanos: 500_000_000 };
    } else {
        linked.meta.mtime = Timestamp { secs: -2, nanos: 0 };
    }
    let link = node(Node::Symlink { target: "very/long/target/".repeat(12).into_bytes().into() }, 0o777);
    let not_utf8 = LayerPath::parse(b"raw\xff\xfename/\xe9t\xe9\nx").unwrap();
    let long = format!("{}/{}/{}", "d".repeat(150), "e".repeat(60), "f".repeat(200));
    let long_raw = LayerPath::parse(&[vec![0xff; 150], vec![b'/'], vec![0xfe; 50]].concat()).unwrap();
    let mut layer = layer([
        (path("a/busy"), Change::Put(busy)),
        (path("a/first"), Change::Put(linked.clone())),
        (path("b"), Change::Put(linked)),
        (path("gone"), Change::Whiteout),
        (path("o"), Change::Put(node(Node::Dir { opaque: true }, 0o700))),
        (path("link"), Change::Put(link)),
        (path("pipe"), Change::Put(node(Node::Fifo, 0o640))),
        (path("grüße/日本"), Change::Put(file(9))),
        (not_utf8, Change::Put(file(1))),
        (long_raw, Change::Put(file(2))),
        (path(&long), Change::Put(file(513))),
    ]);
    layer = layer
        .into_iter()
        .map(|(path, mut change)| {
            if let Change::Put(entry) = &mut change {
                (entry.meta.uid, entry.meta.gid) = (owner.uid(), owner.gid());
                if entry.meta.mtime == Timestamp::default() {
                    entry.meta.mtime.secs = 1_600_000_000;
                }
            }
            (path, change)
        })
        .collect();
    layer
}

/// A place that can hold what the sample has.
fn home(dir: &tempfile::TempDir) -> String {
    dir.path().to_str().unwrap().to_owned()
}

fn check(bytes: &[u8], expected: &Changeset, what: &str) {
    let found = read(bytes).unwrap();
    let lines = |layer: &Changeset| -> BTreeMap<LayerPath, String> {
        layer.iter().map(|(path, change)| (path.clone(), format!("{change:?}"))).collect()
    };
    let (found_lines, expected_lines) = (lines(&found.assembled), lines(expected));
    for (path, line) in &expected_lines {
        assert_eq!(found_lines.get(path), Some(line), "{what} {path:?}");
    }
    assert_eq!(found_lines.len(), expected_lines.len(), "{what}");
    for (path, content) in found.contents {
        // a hard link's content was written under its first name
        let origin = if path == super::path("b") { super::path("a/first") } else { path.clone() };
        assert_eq!(content, bytes_of(&origin, content.len() as u64), "{what} {path:?}");
    }
}

#[test]
fn gnu_tar_unpacks_ours_and_we_read_what_it_packs() {
    let formats: [(bool, &[&str]); 3] = [
        (true, &["--format=pax", "--xattrs", "--xattrs-include=user.*"]),
        (
            true,
            &[
                "--format=pax",
                "--xattrs",
                "--xattrs-include=user.*",
                "--sort=name",
                "--pax-option=delete=atime,delete=ctime",
            ],
        ),
        (false, &["--format=gnu"]),
    ];
    for (fine, options) in formats {
        let dir = tempfile::tempdir().unwrap();
        let at = home(&dir);
        let sample = sample(dir.path(), fine);
        let bytes = write(&sample, true).unwrap();
        let unpack =
            ["--xattrs", "--xattrs-include=user.*", "-p", "--warning=no-timestamp", "-xf", "-", "-C", &at];
        if run("tar", &unpack, &bytes).is_none() {
            return;
        }
        // the marks have no mode, so that an ordinary user could not pack them again
        for mark in [".wh.gone", "o/.wh..wh..opq"] {
            std::fs::set_permissions(dir.path().join(mark), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        let pack: Vec<&str> = options.iter().copied().chain(["-cf", "-", "-C", &at, "."]).collect();
        let packed = run("tar", &pack, b"").unwrap();
        check(&packed, &sample, options[0]);
        // and the same tree has the same canonical bytes again
        let again = read(&packed).unwrap().assembled;
        let mut open = |path: &LayerPath, entry: &crate::model::Entry| {
            let origin = if *path == super::path("b") { super::path("a/first") } else { path.clone() };
            Ok(std::io::Cursor::new(bytes_of(&origin, entry.size())))
        };
        let (again, _) = super::super::write_layer(&again, &mut open, Vec::new()).unwrap();
        assert_eq!(again, bytes, "{options:?}");
    }
}

#[test]
fn sparse_files_of_every_form_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let at = home(&dir);
    let sparse = dir.path().join("sparse");
    let mut expected = vec![0; 3 << 20];
    let handle = std::fs::File::create(&sparse).unwrap();
    handle.set_len(3 << 20).unwrap();
    for place in 0..40_u8 {
        let start = usize::from(place) * 70_000;
        expected[start..start + 5000].fill(place + 1);
        let at = u64::from(place) * 70_000;
        std::os::unix::fs::FileExt::write_all_at(&handle, &expected[start..start + 5000], at).unwrap();
    }
    handle.sync_all().unwrap();
    let forms: [&[&str]; 4] = [
        &["--format=gnu"],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ];
    for form in forms {
        let arguments: Vec<&str> = form
            .iter()
            .copied()
            .chain(["--sparse", "--hole-detection=raw", "-cf", "-", "-C", &at, "sparse"])
            .collect();
        let Some(bytes) = run("tar", &arguments, b"") else { return };
        assert!(bytes.len() < 1 << 20, "{form:?} is not sparse: {}", bytes.len());
        let found = read(&bytes).unwrap();
        assert!(found.contents[&path("sparse")] == expected, "{form:?}");
        // piece by piece, holes told apart
        let mut reader = Reader::new(&bytes[..]);
        reader.next().unwrap().unwrap();
        let (mut content, mut buffer, mut holes) = (Vec::new(), vec![0; 4096], 0);
        loop {
            match reader.content().piece(&mut buffer).unwrap() {
                Piece::Data(read) => content.extend_from_slice(&buffer[..read]),
                Piece::Hole(zeros) => {
                    holes += zeros;
                    content.resize(content.len() + usize::try_from(zeros).unwrap(), 0);
                }
                Piece::End => break,
            }
        }
        assert!(content == expected && holes > 2 << 20, "{form:?} {holes}");
        assert_eq!(reader.next().unwrap(), None);
    }
}

#[test]
fn python_reads_ours_and_we_read_what_it_packs() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), true);
    let bytes = write(&sample, true).unwrap();
    let archive = dir.path().join("ours.tar");
    std::fs::write(&archive, &bytes).unwrap();
    let script = "
import sys, tarfile, os
tar = tarfile.open(sys.argv[1], 'r:', errors='surrogateescape')
out = {f: tarfile.open(sys.argv[1] + '.' + str(f), 'w:', format=f, errors='surrogateescape') for f in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)}
for m in tar:
    data = tar.extractfile(m).read() if m.isreg() else b''
    name = os.fsencode(m.name).hex()
    link = os.fsencode(m.linkname).hex()
    print(name, m.type.decode(), oct(m.mode), m.uid, m.gid, len(data), link, float(m.mtime))
    for f, o in out.items():
        o.addfile(m, tar.extractfile(m) if m.isreg() else None)
for o in out.values(): o.close()
";
    let at = archive.to_str().unwrap();
    let Some(listed) = run("python3", &["-c", script, at], b"") else { return };
    let listed = String::from_utf8(listed).unwrap();
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split(' ').collect()).collect();
    let hex = |bytes: &[u8]| -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap();
        bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    };
    for (path, change) in sample.iter() {
        let Change::Put(entry) = change else { continue };
        let name = if path.is_root() { hex(b".") } else { hex(path.as_bytes()) };
        let line =
            lines.iter().find(|line| line[0] == name).unwrap_or_else(|| panic!("{path:?} in {listed}"));
        assert_eq!(line[2], format!("0o{:o}", entry.meta.mode.bits()), "{path:?}");
        assert_eq!(line[3], entry.meta.uid.to_string());
        let secs = i32::try_from(entry.meta.mtime.secs).unwrap();
        let time = f64::from(secs) + f64::from(entry.meta.mtime.nanos) / 1e9;
        assert!((line[7].parse::<f64>().unwrap() - time).abs() < 1e-6, "{path:?} {line:?} {time}");
        match &entry.node {
            Node::File { size } if line[1] == "0" => assert_eq!(line[5], size.to_string()),
            Node::Symlink { target } => assert_eq!(line[6], hex(target)),
            Node::File { .. } => assert_eq!(line[6], hex(b"a/first")),
            _ => {}
        }
    }
    for format in ["1", "2"] {
        let packed = std::fs::read(format!("{at}.{format}")).unwrap();
        let found = read(&packed).unwrap();
        // Python writes times as floats and, in the GNU format, no attributes
        let coarse = |layer: &Changeset| -> Changeset {
            let plain = |(path, change): (&LayerPath, &Change)| {
                let mut change = change.clone();
                if let Change::Put(entry) = &mut change {
                    (entry.meta.mtime, entry.meta.xattrs) = Default::default();
                }
                (path.clone(), change)
            };
            layer.iter().map(plain).collect()
        };
        assert_eq!(coarse(&found.assembled), coarse(&sample), "format {format}");
    }
}
