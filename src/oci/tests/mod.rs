//! Sources of every form, as they should be and as nobody should write them.

#[path = "../../../tests/fixtures/images.rs"]
pub(crate) mod files;

mod hostile;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::*;
use crate::model::LayerPath;
use files::{Made, index, layout, layout_tar, named, three_layers};

/// Opens what a source says.
pub(super) fn opened(source: &str) -> Result<Image, Error> {
    opened_for(source, None)
}

fn opened_for(source: &str, platform: Option<&str>) -> Result<Image, Error> {
    let platform = platform.map(|text| Platform::parse(text).unwrap());
    let scratch = std::env::temp_dir();
    open(&Source::parse(source.as_bytes()).unwrap(), &Opening { platform, scratch: &scratch })
}

/// Opens a file of these bytes.
pub(super) fn archive(bytes: &[u8]) -> Result<Image, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("archive");
    fs::write(&path, bytes).unwrap();
    opened(path.to_str().unwrap())
}

/// The content of a file of a layer.
pub(super) fn content(layer: &Layer, path: &str) -> Vec<u8> {
    let path = LayerPath::parse(path.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    layer.opened().unwrap().content(&path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// That an image is the one of three layers.
fn is_whole(image: &Image) {
    assert_eq!(image.layers.len(), 3);
    assert_eq!(content(&image.layers[0], "etc/motd"), b"hello\n");
    assert_eq!(content(&image.layers[1], "etc/motd"), b"changed\n");
    assert_eq!(content(&image.layers[2], "srv/c"), b"b\n");
    assert_eq!(content(&image.layers[2], "big"), vec![b'x'; 5000]);
    assert_eq!(image.steps().len(), 4);
    assert_eq!(image.details.labels().collect::<Vec<_>>(), [("who", "me")]);
    assert_eq!(image.config.bytes, Made::of(&three_layers()).config().into_bytes());
}

fn layout_of(dir: &Path, made: &Made) {
    layout(dir, &index(&[made.descriptor(&named("app:1"))]), &made.parts());
}

#[test]
fn every_form_of_one_image_is_the_same_image() {
    let dir = tempfile::tempdir().unwrap();
    let made = Made::of(&three_layers());
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    layout_of(&dir.path().join("layout"), &made);
    fs::write(at("oci.tar"), layout_tar(&index(&[made.descriptor(&named("app:1"))]), &made.parts())).unwrap();
    fs::write(at("docker.tar"), made.docker_archive(&["app:1"])).unwrap();
    let packed = zstd::encode_all(&*made.docker_archive(&["app:1"]), 1).unwrap();
    fs::write(at("docker.tar.zst"), packed).unwrap();
    for source in [
        format!("oci:{}", at("layout")),
        format!("oci:{}:app:1", at("layout")),
        at("layout"),
        format!("oci-archive:{}:app:1", at("oci.tar")),
        at("oci.tar"),
        format!("docker-archive:{}:app:1", at("docker.tar")),
        format!("docker-archive:{}:@0", at("docker.tar")),
        format!("{}:localhost/app:1", at("docker.tar")),
        at("docker.tar"),
        at("docker.tar.zst"),
    ] {
        let image = opened(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        is_whole(&image);
        assert_eq!(image.names, ["app:1"], "{source}");
        assert_eq!(image.manifest.is_some(), !source.contains("docker"), "{source}");
    }
    for source in [
        format!("oci:{}", at("oci.tar")),
        format!("docker-archive:{}", at("layout")),
        format!("docker-archive:{}", at("oci.tar")),
    ] {
        assert!(matches!(opened(&source), Err(Error::NoImage { .. })), "{source}");
    }
    let error = opened(&format!("{}:other", at("layout"))).unwrap_err();
    assert_eq!(error.hint().unwrap(), "it holds app:1");
}

#[test]
fn a_layer_that_is_there_twice_is_found_by_its_link() {
    let base = &three_layers()[0];
    let image =
        archive(&Made::of(&[base.clone(), three_layers()[1].clone(), base.clone()]).docker_archive(&[]))
            .unwrap();
    assert_eq!(content(&image.layers[2], "etc/motd"), b"hello\n");
    assert_eq!(image.layers[0].diff_id, image.layers[2].diff_id);
}

#[test]
fn several_images_are_listed_and_one_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Made::of(&three_layers()), Made::of(&three_layers()[..1]));
    let all = index(&[one.descriptor(&named("one")), two.descriptor(&named("two")), two.descriptor("")]);
    layout(dir.path(), &all, &[one.parts(), two.parts()].concat());
    let source = format!("oci:{}", dir.path().display());
    let error = opened(&source).unwrap_err();
    assert_eq!(error.to_string(), format!("{} holds 3 images: one, two, @2", dir.path().display()));
    assert_eq!(error.hint().unwrap(), format!("choose one: `open_image(\"{source}:one\")`"));
    assert_eq!(opened(&format!("{source}:two")).unwrap().layers.len(), 1);
    assert_eq!(opened(&format!("{source}:@0")).unwrap().layers.len(), 3);
    let digest = files::digest(two.manifest().as_bytes());
    assert_eq!(opened(&format!("{source}:{digest}")).unwrap().layers.len(), 1);
    let scratch = std::env::temp_dir();
    let offers =
        offers(&Source::parse(source.as_bytes()).unwrap(), &Opening { platform: None, scratch: &scratch });
    let names: Vec<_> = offers.unwrap().into_iter().map(|offer| offer.names).collect();
    assert_eq!(names, [vec!["one".to_owned()], vec!["two".to_owned()], vec![]]);
}

#[test]
fn a_nested_index_offers_platforms_and_this_machine_s_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let all: Vec<Made> = ["arm64", "amd64", "s390x"]
        .into_iter()
        .map(|architecture| Made { architecture, ..Made::of(&three_layers()) })
        .collect();
    let of = |made: &Made| {
        made.descriptor(&format!(r#","platform":{{"os":"linux","architecture":"{}"}}"#, made.architecture))
    };
    let mut inner: Vec<String> = all.iter().map(of).collect();
    // what buildkit attests is no image
    inner.push(all[0].descriptor(
        r#","platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
    ));
    let inner = index(&inner);
    let outer = files::descriptor("application/vnd.oci.image.index.v1+json", inner.as_bytes(), &named("app"));
    let mut parts: Vec<Vec<u8>> = all.iter().flat_map(Made::parts).collect();
    parts.push(inner.into_bytes());
    layout(dir.path(), &index(&[outer]), &parts);
    let source = format!("oci:{}", dir.path().display());
    let arm = opened_for(&source, Some("linux/arm64")).unwrap();
    assert_eq!((arm.details.platform().to_string(), &*arm.names[0]), ("linux/arm64".to_owned(), "app"));
    if std::env::consts::ARCH == "x86_64" {
        assert_eq!(opened(&source).unwrap().details.platform().to_string(), "linux/amd64");
    }
    let error = opened_for(&source, Some("linux/386")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app` is not there for linux/386, only for linux/arm64, linux/amd64, linux/s390x"
    );
}

#[test]
fn history_may_be_longer_or_shorter_than_the_layers() {
    let made = |history: &str| Made { history: history.to_owned(), ..Made::of(&three_layers()) };
    let none = archive(&made("").docker_archive(&[])).unwrap();
    assert_eq!(none.steps().iter().map(|step| step.1).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    let five = [r#"{"created_by":"x"}"#; 5].join(",");
    let five = archive(&made(&five).docker_archive(&[])).unwrap();
    let layers: Vec<_> = five.steps().iter().map(|step| step.1).collect();
    assert_eq!(layers, [Some(0), Some(1), Some(2), None, None]);
}
