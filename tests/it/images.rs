//! Images opened where they lie, as a user does it.

use std::fs;

use crate::image_files::{Made, index, layout, named, three_layers};
use crate::program::Place;

/// A place with an archive of three layers, `a.tar`.
fn with_archive() -> Place {
    let place = Place::new();
    fs::write(place.path().join("a.tar"), Made::of(&three_layers()).docker_archive(&["app:1"])).unwrap();
    place
}

#[test]
fn an_image_is_looked_into_without_being_stored() {
    let place = with_archive();
    let ran = place.code(
        r#"let img = open_image("a.tar");
        assert_eq!(img.ls(), ["big", "etc", "srv"]);
    "#
        .replace("assert_eq!", "assert_eq")
        .as_str(),
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = place.code(
        r#"let img = open_image("docker-archive:a.tar:app:1");
        assert_eq(img.read("/etc/motd"), "changed\n");
        assert_eq(img.read("etc/link"), "changed\n");
        assert_eq(img.ls("/srv"), ["b", "c"]);
        assert_eq(img.stat("/srv/c").nlink, 2);
        assert_eq(img.stat("/srv/c").ino, img.stat("/srv/b").ino);
        assert_eq(img.stat("/etc/link").target, "/etc/motd");
        assert(!img.exists("/etc/old"));
        assert_eq(find(img, "m*"), ["/etc/motd"]);
        assert_eq(img.read_bytes("/big").len(), 5000);
        assert_eq(img.layers.len(), 3);
        assert_eq(img.layers[0].read("etc/motd"), "hello\n");
        assert_eq(img.layers[0].ls("srv"), ["a"]);
        assert(img.layers[0].sealed);
        assert_eq(img.name, "app:1");
        assert_eq(img.platform, "linux/amd64");
        assert_eq(img.labels, #{ who: "me" });
        assert_eq(img.config.config.Unknown.kept, [1, 2.5, ()]);
        assert_eq(img.created, 1709209815.25);
        assert_eq(img.digest, ());
        assert_eq(img.history.len(), 4);
        assert_eq(history(img)[3].empty, true);
        assert_eq(history(img)[3].message, "/bin/sh -c #(nop)  CMD [\"sh\"]");
        assert_eq(history(img)[0].download_size > 1000, true);
        assert_eq(tree(img).paths.len(), 8);
        assert_eq(explain(img, "/etc/old").steps.map(|s| s.what), ["created", "deleted"]);
        assert_eq(diff(img.layers[0], img).map(|c| `${c.letter} ${c.path}`),
            ["A /big", "C /etc/motd", "D /etc/old", "C /srv", "D /srv/a", "A /srv/b", "A /srv/c"].filter(|l| l != "C /srv"));
        assert_eq(tags("a.tar"), ["app:1"]);
        assert_eq(platforms("a.tar"), ["linux/amd64"]);
        assert_eq(open_image("a.tar", #{ verify: true }), img);
        img.copy_out("/srv", "out");
        "#,
    );
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(fs::read(place.path().join("out/c")).unwrap(), b"b\n");
    assert!(!place.store().exists(), "nothing is stored");
}

#[test]
fn the_picture_and_the_history_of_an_image_are_drawn() {
    let place = with_archive();
    let ran = place.code("let img = open_image(\"a.tar\"); show(img); print(history(img)); print(img)");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for part in ["app:1  stack", "3 layers", "RUN step 1", "CMD [\"sh\"]", "linux/amd64"] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn an_error_says_what_was_tried_and_what_to_do() {
    let place = with_archive();
    place.file("text", "no image");
    let dir = place.path().join("two");
    let (one, two) = (Made::of(&three_layers()), Made::of(&three_layers()[..1]));
    layout(
        &dir,
        &index(&[one.descriptor(&named("one")), two.descriptor(&named("two"))]),
        &[one.parts(), two.parts()].concat(),
    );
    for (call, kind, part) in [
        ("open_image(\"nothing\")", "not_found", "cannot open nothing"),
        ("open_image(\"text\")", "image", "holds no image: it was tried as a tar"),
        ("open_image(\"oci:two\")", "unknown_image", "holds 2 images: one, two"),
        ("open_image(\"oci:two:three\")", "unknown_image", "no image `three`"),
        ("open_image(\"docker://debian\")", "unsupported", "skopeo copy docker://"),
        ("open_image(\"docker-daemon:debian\")", "unsupported", "docker save"),
        ("open_image(\"a.tar\", #{ platform: \"x\" })", "invalid_argument", "linux/arm64"),
        (
            "open_image(\"a.tar\", #{ platform: \"linux/s390x\" })",
            "unknown_image",
            "not there for linux/s390x",
        ),
        ("open_image(\"a.tar\").read(\"/nothing\")", "not_found", "/nothing"),
        ("open_image(\"a.tar\").read(\"/etc\")", "is_a_directory", "/etc"),
        (
            "open_image(\"a.tar\").layers[0].write(\"/x\", \"\")",
            "wrong_layer",
            "layers of images never change",
        ),
    ] {
        let ran = place.run(&["--json", "-e", call]);
        assert!(
            ran.code != 0 && ran.err.contains(&format!("\"kind\":\"{kind}\"")) && ran.err.contains(part),
            "{call}: {ran:?}"
        );
    }
}

#[test]
fn a_sandbox_lets_no_image_be_opened_that_it_does_not_name() {
    let place = with_archive();
    let archive = place.path().join("a.tar");
    let code = format!("print(open_image({archive:?}).read(\"/etc/motd\"))");
    let ran = place.run(&["--sandbox", "-e", &code]);
    assert!(ran.code == 1 && ran.err.contains("--allow-read"), "{ran:?}");
    let ran = place.run(&["--sandbox", "--allow-read", archive.to_str().unwrap(), "-e", &code]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "changed\n\n"), "{ran:?}");
}
