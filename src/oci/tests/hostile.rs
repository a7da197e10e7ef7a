//! Images that nobody should write: each is an error that says what is wrong, and nothing is read from elsewhere.

use std::fs;

use super::files::{self, Made, Tar, descriptor, index, layout, layout_tar, named, three_layers};
use super::{Error, archive, opened};

/// What is said of an archive.
fn said(bytes: &[u8]) -> String {
    let image = match archive(bytes) {
        Ok(image) => image,
        Err(error) => return with_cause(&error),
    };
    image
        .layers
        .iter()
        .find_map(|layer| layer.opened().err())
        .map_or("nothing".to_owned(), |error| with_cause(&error))
}

fn with_cause(error: &Error) -> String {
    let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
    format!("{error}{cause}")
}

/// A Docker archive with this manifest beside an image's own files.
fn docker(manifest: &str) -> Vec<u8> {
    let made = Made::of(&three_layers()[..1]);
    Tar::new()
        .file("config.json", made.config())
        .file("layer.tar", &made.blobs[0])
        .symlink("out.tar", "../../etc/passwd")
        .symlink("abs.tar", "/etc/passwd")
        .symlink("loop.tar", "loop.tar")
        .dir("dir.tar/")
        .file("manifest.json", manifest)
        .end()
}

#[test]
fn an_archive_that_names_files_outside_is_refused() {
    for (layer, what) in [
        ("../../etc/passwd", "could lead out"),
        ("/etc/passwd", "not there"),
        ("out.tar", "leads out of the archive"),
        ("abs.tar", "leads out of the archive"),
        ("loop.tar", "lead to each other"),
        ("dir.tar", "no plain file"),
        ("nothing.tar", "not there"),
        ("blobs/sha256/../../layer.tar", "could lead out"),
    ] {
        let told = said(&docker(&format!(r#"[{{"Config":"config.json","Layers":["{layer}"]}}]"#)));
        assert!(told.contains(what), "{layer}: {told}");
    }
    assert_eq!(said(&docker(r#"[{"Config":"config.json","Layers":["layer.tar"]}]"#)), "nothing");
}

#[test]
fn a_layout_whose_blobs_are_symlinks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::of(&three_layers());
    layout(dir.path(), &index(&[made.descriptor("")]), &made.parts());
    let blob = dir.path().join("blobs/sha256").join(files::hex(&made.blobs[0]));
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&blob, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &blob).unwrap();
    let error = opened(&format!("oci:{}", dir.path().display())).unwrap_err();
    assert!(error.to_string().contains("it is a symlink, which could lead anywhere"), "{error}");
}

#[test]
fn json_that_is_no_json_or_too_large_or_too_deep_is_refused() {
    let deep =
        format!(r#"[{{"Config":"config.json","More":{}{}}}]"#, "[".repeat(100_000), "]".repeat(100_000));
    for (manifest, what) in [
        ("", "EOF while parsing"),
        ("[{]", "key must be a string"),
        ("{}", "invalid type: map"),
        (r#"[{"Config":7}]"#, "invalid type: integer"),
        ("[]", "holds no image"),
        // passed over without a stack
        (&*deep, "for 0 layers"),
        (&*format!("[{}]", " ".repeat(5 << 20)), "too big"),
        (r#"[{"Config":"missing.json"}]"#, "is not there"),
    ] {
        let told = said(&docker(manifest));
        assert!(told.contains(what), "{}: {told}", &manifest[..manifest.len().min(40)]);
    }
}

#[test]
fn digests_that_are_none_or_lie_are_refused() {
    let made = Made::of(&three_layers()[..1]);
    let real = made.descriptor("");
    let own = files::digest(made.manifest().as_bytes());
    let size = made.manifest().len();
    let other = files::digest(b"other");
    let with = |descriptor: String, more: &[Vec<u8>]| {
        said(&layout_tar(&index(&[descriptor]), &[made.parts(), more.to_vec()].concat()))
    };
    assert_eq!(with(real.clone(), &[]), "nothing");
    for digest in [
        "",
        "sha256:",
        "sha256:../../../etc/passwd",
        "sha512:00",
        "sha256:zz",
        &own.to_uppercase(),
        &own[7..],
    ] {
        let told = with(real.replace(&own, digest), &[]);
        assert!(told.contains("is no SHA-256 digest"), "{digest}: {told}");
    }
    assert!(with(real.replace(&own, &other), &[]).contains("is not there"));
    for wrong in ["0", "-1", "18446744073709551616", "1e3", "\"7\"", &format!("{}", size + 1)] {
        let told = with(real.replace(&format!("\"size\":{size}"), &format!("\"size\":{wrong}")), &[]);
        assert!(told.contains("damaged"), "{wrong}: {told}");
    }
    // a blob under another's name
    let mut changed = made.clone();
    changed.history = "{}".to_owned();
    let files = files::layout_files(&index(&[real]), &made.parts()).into_iter();
    let swapped = files.fold(Tar::new(), |tar, (name, bytes)| {
        let bytes = if bytes == made.config().into_bytes() { changed.config().into_bytes() } else { bytes };
        tar.file(&name, bytes)
    });
    let told = said(&swapped.end());
    let (found, expected) =
        (files::digest(changed.config().as_bytes()), files::digest(made.config().as_bytes()));
    assert!(told.contains(&found) && told.contains(&expected), "{told}");
}

#[test]
fn an_index_that_refers_to_itself_or_without_end_is_bounded() {
    // no index can hold its own digest, but one may say so
    let media = "application/vnd.oci.image.index.v1+json";
    let mut parts = Made::of(&three_layers()).parts();
    let mut inner = index(&[Made::of(&three_layers()).descriptor("")]);
    for _ in 0..20 {
        let outer = index(&[descriptor(media, inner.as_bytes(), "")]);
        parts.push(inner.into_bytes());
        inner = outer;
    }
    let told = said(&layout_tar(&inner, &parts));
    assert!(told.contains("more than 8 deep"), "{told}");
    let made = Made::of(&three_layers());
    let many = vec![made.descriptor(""); 5000];
    assert!(said(&layout_tar(&index(&many), &made.parts())).contains("more than 4096 images"));
    // the same index a thousand times is gone through once
    let inner = index(&[made.descriptor("")]);
    let many = vec![descriptor(media, inner.as_bytes(), &named("x")); 1000];
    let parts = [made.parts(), vec![inner.into_bytes()]].concat();
    assert!(!said(&layout_tar(&index(&many), &parts)).contains("damaged"));
}

#[test]
fn an_image_as_docker_wrote_it_in_2013_says_what_to_do() {
    let old = Tar::new()
        .dir("abc/")
        .file("abc/json", "{}")
        .file("abc/layer.tar", "")
        .file("repositories", "{}")
        .end();
    let error = archive(&old).unwrap_err();
    assert!(error.to_string().contains("before version 1.10"), "{error}");
    assert!(error.hint().unwrap().contains("docker save"), "{error}");
}

#[test]
fn what_is_no_image_is_told_as_what_it_was_tried() {
    for (bytes, what) in [
        (b"just text".to_vec(), "a tar (it is no archive)"),
        (b"PK\x03\x04 and more".to_vec(), "a tar (it is a zip archive)"),
        (
            Tar::new().file("a", "b").end(),
            "an OCI layout (no `index.json`), a Docker archive (no `manifest.json`)",
        ),
        (zstd::encode_all(&b"text"[..], 1).unwrap(), "compressed, and no tar inside"),
        (Vec::new(), "no archive"),
    ] {
        let told = said(&bytes);
        assert!(told.contains("holds no image: it was tried as") && told.contains(what), "{told}");
    }
}

#[test]
fn a_small_image_that_is_cut_anywhere_is_an_error_or_whole() {
    let whole = Made::of(&three_layers()[..1]).docker_archive(&["app:1"]);
    // behind the manifest comes nothing that counts
    let end = whole.windows(13).rposition(|part| part == b"repositories\0").unwrap();
    for length in 0..end {
        // the padding of the last entry holds nothing
        let is_whole = whole[length..end].iter().all(|byte| *byte == 0);
        assert_eq!(said(&whole[..length]) == "nothing", is_whole, "cut at {length} of {}", whole.len());
    }
    assert_eq!(said(&whole[..end]), "nothing");
}

#[test]
fn layers_of_names_that_lead_outside_or_pass_for_marks_are_refused() {
    for (layer, what) in [
        (Tar::new().file("../out", "x"), "could lead out"),
        (Tar::new().file("a/../../out", "x"), "could lead out"),
        (Tar::new().file(".wh.", "x"), "whiteout of no possible name"),
        (Tar::new().file("a/.wh...", "x"), "whiteout of no possible name"),
        (Tar::new().file("a/.wh..", "x"), "whiteout of no possible name"),
        (Tar::new().link("a", "../../etc/passwd"), "could lead out"),
        (Tar::new().link("a", "b").link("b", "a"), "hard link"),
        (Tar::new().entry(b'0', "a", "", 0o644, 1 << 32, b"short"), "ends too early"),
    ] {
        let told = said(&Made::of(&[layer.end()]).docker_archive(&[]));
        assert!(told.contains(what), "{what}: {told}");
    }
}
