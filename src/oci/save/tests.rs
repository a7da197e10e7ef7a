//! Images are written whole or not at all, the same each time, and other programs take them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn target(&self, kind: &str, name: &str) -> Target {
        Target::parse(format!("{kind}:{}", self.path(name).display()).as_bytes()).unwrap()
    }

    /// Every file beneath a directory, with its content.
    fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.path(name);
        let (mut found, mut waiting) = (Vec::new(), vec![root.clone()]);
        while let Some(dir) = waiting.pop() {
            for item in fs::read_dir(dir).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().display().to_string();
                    found.push((name, fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }
}

/// The tar of a layer with one file.
fn layer(name: &str, size: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..size).map(|at| b"some text of a file\n"[at * at % 17]).collect();
    let mut tar = crate::tar::Writer::new(Vec::new());
    let path = crate::model::LayerPath::parse(name.as_bytes()).unwrap();
    let entry = crate::model::Entry {
        node: crate::model::Node::File { size: size as u64 },
        meta: crate::model::Metadata {
            mode: crate::model::Mode::new(0o644),
            uid: 0,
            gid: 0,
            mtime: Timestamp { secs: 5, nanos: 0 },
            xattrs: crate::model::Xattrs::new(),
        },
        link: None,
        implied: false,
    };
    tar.put(&path, &entry).unwrap();
    tar.content(&path, size as u64, &mut &content[..]).unwrap();
    tar.finish().unwrap()
}

fn fill(tar: &[u8]) -> impl FnOnce(&mut dyn Write) -> Result<(), Error> + '_ {
    |out| out.write_all(tar).map_err(|source| Error::Write { source })
}

const THEN: Timestamp = Timestamp { secs: 1_700_000_000, nanos: 0 };

fn config(layers: &[DiffId]) -> Vec<u8> {
    let step = Step { created: Some(THEN), comment: Some("a step".to_owned()) };
    let steps = vec![step; layers.len()];
    let changes = Changes { cmd: Some(vec!["/bin/sh".to_owned()]), ..Changes::default() };
    changed(None, layers, &steps, &changes, THEN, ("linux", "amd64")).unwrap()
}

/// Saves an image of two layers, one of them twice.
fn save(target: Target, how: Option<Compression>) -> Saved {
    let mut saver = Saver::new(target, 2, Some(THEN)).unwrap();
    let packing = Packing::new(how.unwrap_or(saver.compression()));
    let (a, b) = (layer("a", 700_000), layer("b", 10));
    for tar in [&a, &b, &a] {
        saver.layer(packing, fill(tar)).unwrap();
    }
    let config = config(&saver.diff_ids());
    saver.finish(&config, None).unwrap()
}

#[test]
fn the_same_image_is_the_same_bytes() {
    let world = World::new();
    for kind in ["oci", "oci-archive", "docker-archive"] {
        let (one, two) = (format!("{kind}/1/x"), format!("{kind}/2/x"));
        for name in [&one, &two] {
            fs::create_dir_all(world.path(name).parent().unwrap()).unwrap();
            save(world.target(kind, &format!("{name}:app")), None);
        }
        let (one, two) = (world.files(&format!("{kind}/1")), world.files(&format!("{kind}/2")));
        assert!(one == two && !one.is_empty(), "{kind}");
    }
}

#[test]
fn a_layout_keeps_its_other_images_and_what_is_not_understood() {
    let world = World::new();
    save(world.target("oci", "layout:one"), None);
    let index = world.path("layout/index.json");
    let mut before: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    before["annotations"] = json!({ "of": "somebody" });
    before["manifests"][0]["unknown"] = json!([1, 2]);
    fs::write(&index, before.to_string()).unwrap();
    save(world.target("oci", "layout:two"), Some(Compression::Zstd));
    save(world.target("oci", "layout:two"), Some(Compression::None));
    let after: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    assert_eq!(after["annotations"], before["annotations"]);
    assert_eq!(after["manifests"][0], before["manifests"][0]);
    let names: Vec<&Value> =
        after["manifests"].as_array().unwrap().iter().map(|item| &item["annotations"][NAME]).collect();
    assert_eq!(names, ["one", "two"]);
    // all that is named is there, and is what its name says
    for (name, bytes) in world.files("layout/blobs/sha256") {
        assert_eq!(name, Digest::of(&bytes).hex());
    }
}

#[test]
fn a_layer_as_it_lies_goes_out_byte_for_byte_if_it_is_what_it_should_be() {
    let world = World::new();
    let tar = layer("a", 300_000);
    let mut blob = flate2::GzBuilder::new().filename("other").write(Vec::new(), flate2::Compression::fast());
    blob.write_all(&tar).unwrap();
    let blob = blob.finish().unwrap();
    fs::write(world.path("blob"), &blob).unwrap();
    let extent = Extent::whole(Arc::new(fs::File::open(world.path("blob")).unwrap())).unwrap();
    let diff_id = DiffId(Digest::of(&tar));
    let mut saver = Saver::new(world.target("oci", "layout:x"), 2, None).unwrap();
    let packed = saver.layer_as_it_is(&extent, &Limits::default(), diff_id).unwrap();
    assert_eq!((packed.digest, packed.diff_id), (Digest::of(&blob), diff_id));
    let text = config(&saver.diff_ids());
    // a manifest that says more is kept, one of another image is not
    let mut manifest = saver.manifest(&text);
    manifest["annotations"] = json!({ "of": "somebody" });
    let given = manifest.to_string().into_bytes();
    assert_eq!(saver.finish(&text, Some(&given)).unwrap().digest, Some(Digest::of(&given)));
    let mut saver = Saver::new(world.target("oci", "layout:x"), 2, None).unwrap();
    saver.layer(Packing::new(Compression::Gzip), fill(&tar)).unwrap();
    assert_ne!(saver.finish(&text, Some(&given)).unwrap().digest, Some(Digest::of(&given)));
    assert!(fs::read(world.path("layout/blobs/sha256").join(Digest::of(&blob).hex())).unwrap() == blob);

    let mut saver = Saver::new(world.target("oci", "layout:y"), 2, None).unwrap();
    let other = DiffId(Digest::of(b"other"));
    let told = saver.layer_as_it_is(&extent, &Limits::default(), other);
    assert!(matches!(told, Err(Error::Other { .. })), "{told:?}");
}

#[test]
fn docker_gets_no_zstd() {
    let world = World::new();
    let tar = layer("a", 3000);
    fs::write(world.path("blob"), zstd::stream::encode_all(&tar[..], 1).unwrap()).unwrap();
    let extent = Extent::whole(Arc::new(fs::File::open(world.path("blob")).unwrap())).unwrap();
    let mut saver = Saver::new(world.target("docker-archive", "file:x"), 2, None).unwrap();
    let packed = saver.layer_as_it_is(&extent, &Limits::default(), DiffId(Digest::of(&tar))).unwrap();
    assert_eq!(packed.digest, Digest::of(&tar));
}

#[test]
fn what_fails_leaves_what_was_there() {
    let world = World::new();
    fs::write(world.path("file"), "before").unwrap();
    let failing = |_: &mut dyn Write| Err(Error::Write { source: io::ErrorKind::Other.into() });
    let mut saver = Saver::new(world.target("oci-archive", "file"), 2, None).unwrap();
    saver.layer(Packing::new(Compression::Gzip), fill(&layer("a", 10))).unwrap();
    saver.layer(Packing::new(Compression::Gzip), failing).unwrap_err();
    drop(saver);
    assert_eq!(world.files(""), [("file".to_owned(), b"before".to_vec())]);

    fs::create_dir(world.path("dir")).unwrap();
    fs::write(world.path("dir/other"), "x").unwrap();
    let told = Saver::new(world.target("oci", "dir"), 2, None).err();
    assert!(matches!(told, Some(Error::NoLayout { .. })), "{told:?}");
    assert!(Saver::new(world.target("oci-archive", "dir"), 2, None).is_err());
    assert!(Saver::new(world.target("docker-archive", "no/such/dir"), 2, None).is_err());

    // a layout whose index is damaged is not changed
    save(world.target("oci", "layout:one"), None);
    for bad in ["", "[]", "{\"manifests\": 5}", "not json"] {
        fs::write(world.path("layout/index.json"), bad).unwrap();
        let mut saver = Saver::new(world.target("oci", "layout:two"), 2, None).unwrap();
        saver.layer(Packing::new(Compression::Gzip), fill(&layer("a", 10))).unwrap();
        let text = config(&saver.diff_ids());
        let told = saver.finish(&text, None);
        if bad.is_empty() {
            told.unwrap();
            continue;
        }
        assert!(matches!(told, Err(Error::Damaged { .. })), "{bad}: {told:?}");
        assert_eq!(fs::read_to_string(world.path("layout/index.json")).unwrap(), bad);
    }
}

#[test]
fn a_config_keeps_what_is_not_changed() {
    let base = br#"{"architecture":"arm64","os":"linux","author":"x","config":{"Env":["A=1","B=2"],"Unknown":7},
        "history":[{"created_by":"y","unknown":1}],"rootfs":{"type":"layers","diff_ids":["FIRST"]},"z":[1.50]}"#;
    let ids = [DiffId(Digest::of(b"1")), DiffId(Digest::of(b"2"))];
    let base = String::from_utf8_lossy(base).replace("FIRST", &ids[0].to_string()).into_bytes();
    let steps = ["lower", "mine"].map(|words| Step { created: None, comment: Some(words.to_owned()) });
    let changes = Changes {
        env: vec![("B".to_owned(), "3".to_owned()), ("C".to_owned(), "4".to_owned())],
        labels: vec![("l".to_owned(), "v".to_owned())],
        expose: vec!["80/tcp".to_owned()],
        user: Some("me".to_owned()),
        ..Changes::default()
    };
    let made = changed(Some(&base), &ids, &steps, &changes, THEN, ("linux", "amd64")).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let expected = json!({
        "architecture": "arm64", "os": "linux", "author": "x",
        "config": { "Env": ["A=1", "B=3", "C=4"], "Unknown": 7, "User": "me", "Labels": { "l": "v" },
            "ExposedPorts": { "80/tcp": {} } },
        "history": [{ "created_by": "y", "unknown": 1 },
            { "created": "2023-11-14T22:13:20Z", "created_by": "ufs", "comment": "mine" }],
        "rootfs": { "type": "layers", "diff_ids": [ids[0].to_string(), ids[1].to_string()] },
        "z": [1.5], "created": "2023-11-14T22:13:20Z",
    });
    assert_eq!(made, expected);
    // on other layers, its history tells nothing of how they were made
    let other = [ids[1], ids[0]];
    let made = changed(Some(&base), &other, &steps, &changes, THEN, ("linux", "amd64")).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let comments: Vec<&Value> =
        made["history"].as_array().unwrap().iter().map(|step| &step["comment"]).collect();
    assert_eq!(comments, ["lower", "mine"]);
    // nothing is other: the very bytes
    let base = format!("{{ \"rootfs\": {{\"diff_ids\": [\"{}\"] }} }} ", ids[0]);
    let same = changed(Some(base.as_bytes()), &ids[..1], &[], &Changes::default(), THEN, ("", "")).unwrap();
    assert_eq!(same, base.as_bytes());
    for bad in ["", "[]", "7", "{"] {
        assert!(changed(Some(bad.as_bytes()), &ids, &[], &Changes::default(), THEN, ("", "")).is_err());
    }
}

#[test]
fn targets_are_read_as_skopeo_reads_them() {
    let target = |text: &str| Target::parse(text.as_bytes()).ok().map(|target| (target.kind, target.name));
    assert_eq!(target("oci:dir:a/b:1"), Some((Kind::Layout, Some("a/b:1".to_owned()))));
    assert_eq!(target("oci-archive:file"), Some((Kind::OciArchive, None)));
    assert_eq!(target("docker-archive:file:"), Some((Kind::DockerArchive, None)));
    for bad in ["file", "dir:x", "oci:", "oci::x", "oci:dir:a b", "oci:dir:\x1b[31m"] {
        assert_eq!(target(bad), None, "{bad}");
    }
    assert_eq!(
        (tagged("a:1"), tagged("h:5/a"), tagged("a")),
        ("a:1".into(), "h:5/a:latest".into(), "a:latest".into())
    );
}
