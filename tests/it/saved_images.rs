//! Images written by `save_image`, as other programs take them.

use std::fs;
use std::process::Command;

use crate::image_files::{Made, three_layers};
use crate::program::{Place, holds};

/// Two layers: files, a link, a directory that is opaque, a deleted name.
const STACK: &str = r#"
    let base = layer("base");
    base.write("/etc/motd", "hello\n"); base.write("/etc/old", "old"); base.symlink("motd", "/etc/link");
    base.write("/srv/a", "a"); base.seal();
    let m = mount_direct(base);
    m.write("/etc/motd", "changed\n"); m.rm("/etc/old"); m.write("/srv/b", "b");
    let app = m.commit("app", "second step");
"#;

/// What a program says; nothing where it is not there.
fn run(place: &Place, program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(ran) = Command::new(program).args(arguments).current_dir(place.path()).output() else {
        assert!(std::env::var_os("CI").is_none(), "{program} is not there");
        return None;
    };
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{program} {arguments:?}: {out}{err}");
    Some(out.into_owned())
}

fn place() -> Place {
    Place::new().with("SOURCE_DATE_EPOCH", "1700000000")
}

#[test]
fn skopeo_takes_every_kind_with_the_diff_ids_of_the_layers() {
    let place = place();
    let saves = r#"
        for how in ["gzip", "zstd", "none"] {
            for kind in ["oci", "oci-archive", "docker-archive"] {
                let id = save_image("app", `${kind}:${kind}-${how}:app:1`, #{ compression: how, cmd: ["/bin/sh", "-c", "x"] });
                print(`${kind} ${how} ${id}`);
            }
        }
        print(base.diff_id); print(app.diff_id);
    "#;
    let out = place.code(&format!("{STACK}{saves}")).ok();
    let lines: Vec<&str> = out.lines().collect();
    let (images, diff_ids) = lines.split_at(9);
    for line in images {
        let [kind, how, id] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if (kind, how) == ("docker-archive", "zstd") {
            // what reads it there is as old as the archive
            continue;
        }
        let source = format!("{kind}:{kind}-{how}:app:1");
        let Some(config) = run(&place, "skopeo", &["inspect", "--config", "--raw", &source]) else { return };
        holds(&config, diff_ids);
        holds(&config, &["\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]", "second step", "2023-11-14T22:13:20Z"]);
        let digest =
            run(&place, "sh", &["-c", &format!("skopeo inspect --config --raw {source} | sha256sum")]);
        assert_eq!(format!("sha256:{}", &digest.unwrap()[..64]), id, "{source}");
        let copy = format!("dir:copy-{kind}-{how}");
        run(&place, "skopeo", &["--insecure-policy", "copy", "--quiet", &source, &copy]);
    }
}

#[test]
fn umoci_unpacks_what_was_saved() {
    let place = place();
    place.code(&format!("{STACK} save_image(app, \"oci:layout:app\"); ()")).ok();
    let unpack = ["unpack", "--rootless", "--image", "layout:app", "bundle"];
    if run(&place, "umoci", &unpack).is_none() {
        return;
    }
    let root = place.path().join("bundle/rootfs");
    let read = |name: &str| fs::read_to_string(root.join(name)).ok();
    assert_eq!(read("etc/motd").as_deref(), Some("changed\n"));
    assert_eq!(read("etc/link").as_deref(), Some("changed\n"));
    assert_eq!((read("etc/old"), read("srv/a"), read("srv/b")), (None, Some("a".into()), Some("b".into())));
}

#[test]
fn the_same_layers_are_the_same_image_in_any_store() {
    let image = |place: &Place| {
        let saves = "print(save_image(app, \"oci-archive:image.tar:app\")); save_image(app, \"docker-archive:docker.tar:app\"); ()";
        let out = place.code(&format!("{STACK}{saves}")).ok();
        let read = |name: &str| fs::read(place.path().join(name)).unwrap();
        (out, read("image.tar"), read("docker.tar"))
    };
    let (one, two) = (image(&place()), image(&place()));
    assert!(one == two, "{} {}", one.0, two.0);
    assert!(one.1.len() > 1000);
}

#[test]
fn what_is_said_of_the_image_is_in_its_config() {
    let place = place();
    let code = r#"
        let l = layer("l"); l.write("/a", "1");
        save_image(l, "oci:layout", #{ name: "app:1", entrypoint: ["/e"], env: #{ A: "1" }, labels: #{ who: "me" },
            user: "5:6", workdir: "/w", expose: ["80/tcp"], level: 9 });
        save_image(l, "oci:layout:other"); ()
    "#;
    place.code(code).ok();
    let index = fs::read_to_string(place.path().join("layout/index.json")).unwrap();
    holds(&index, &["\"app:1\"", "\"other\""]);
    let blobs = fs::read_dir(place.path().join("layout/blobs/sha256")).unwrap();
    let configs: String = blobs
        .map(|item| fs::read(item.unwrap().path()).unwrap())
        .filter(|blob| blob.starts_with(b"{"))
        .map(|blob| String::from_utf8(blob).unwrap())
        .collect();
    let expected = r#""config":{"Entrypoint":["/e"],"User":"5:6","WorkingDir":"/w","Env":["A=1"],"Labels":{"who":"me"},"ExposedPorts":{"80/tcp":{}}}"#;
    holds(&configs, &[expected]);
}

#[test]
fn a_file_that_is_replaced_is_told_and_changes_that_are_not_committed_are() {
    let place = place();
    let ran = place.code(
        "let l = layer(\"l\"); l.write(\"/a\", \"1\"); let m = mount_direct(l); m.write(\"/b\", \"2\");\n\
         save_image(m, \"oci-archive:image.tar\"); save_image(l, \"oci-archive:image.tar\");\n\
         save_image(l, \"oci-archive:image.tar\", #{ force: true }); ()",
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    holds(&ran.err, &["the changes in `", "are not in the image", "dropped the earlier `image.tar`"]);
    assert_eq!(ran.err.matches("dropped").count(), 1, "{}", ran.err);
}

#[test]
fn an_error_says_what_is_wrong_and_leaves_what_was_there() {
    let place = place();
    place.file("file", "before");
    fs::create_dir(place.path().join("dir")).unwrap();
    fs::write(place.path().join("dir/other"), "x").unwrap();
    for (call, kind, part) in [
        ("save_image(l, \"image.tar\")", "invalid_argument", "is no target for an image"),
        ("save_image(l, \"oci:d:a b\")", "invalid_argument", "letters, digits"),
        ("save_image(l, \"oci:dir\")", "image", "is no OCI image layout, and not empty"),
        ("save_image(l, \"oci-archive:dir\")", "is_a_directory", "dir"),
        ("save_image(l, \"docker-archive:no/dir/file\")", "not_found", "no/dir/file"),
        ("save_image(l, \"oci:x\", #{ compression: \"xz\" })", "invalid_argument", "gzip, zstd or none"),
        ("save_image(l, \"oci:x\", #{ cmd: \"sh\" })", "invalid_argument", "an array of strings"),
        ("save_image([\"/etc\"], \"oci-archive:file\", #{ force: true })", "unknown_layer", ""),
        (
            "save_image(layer_at(\"dir\"), \"oci-archive:file\", #{ force: true })",
            "wrong_layer",
            "no sealed layer",
        ),
    ] {
        let code = format!("let l = layer(\"l\"); if !l.sealed {{ l.write(\"/a\", \"1\"); }} {call}");
        let ran = place.run(&["--json", "-e", &code]);
        let told = ran.err.contains(&format!("\"kind\":\"{kind}\"")) && ran.err.contains(part);
        assert!(ran.code != 0 && told, "{call}: {ran:?}");
    }
    assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "before");
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.as_encoded_bytes().starts_with(b".ufs-")), "{left:?}");
}

#[test]
fn an_opened_image_goes_out_byte_for_byte_and_keeps_what_is_not_understood() {
    let place = place();
    fs::write(place.path().join("a.tar"), Made::of(&three_layers()).docker_archive(&["app:1"])).unwrap();
    let code = r#"
        let img = open_image("a.tar");
        for target in ["oci:layout:app", "oci-archive:b.tar:app", "docker-archive:c.tar:app:1"] {
            assert_eq(save_image(img, target), img.id);
            let again = open_image(target);
            assert_eq(again.id, img.id); assert_eq(again.config, img.config);
            assert_eq(again.download_size, img.download_size);
            assert_eq(diff(img, again).len(), 0); assert_eq(again.read("/etc/motd"), "changed\n");
        }
        let one = open_image("oci:layout:app");
        save_image(one, "oci:second:app");
        assert_eq(open_image("oci:second:app").digest, one.digest);
        save_image(img, "oci:layout:other", #{ labels: #{ more: "yes" } });
        let other = open_image("oci:layout:other");
        assert_eq(other.labels, #{ more: "yes", who: "me" });
        assert_eq(other.config.config.Unknown, img.config.config.Unknown);
        assert_eq(other.layers.map(|l| l.diff_id), img.layers.map(|l| l.diff_id));
        assert_eq(tags("oci:layout"), ["app", "other"]);
        let l = layer("mine"); l.write("/new", "1");
        save_image(l, "oci:layout:mine", #{ from: img });
        let mine = open_image("oci:layout:mine");
        assert_eq(mine.layers.len(), 1); assert_eq(mine.labels, img.labels); assert_eq(mine.history.len(), 1);
        ()
    "#;
    place.code(code).ok();
}
