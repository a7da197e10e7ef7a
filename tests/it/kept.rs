//! Times that no file system holds and attributes that the host refuses: what a tar said is what is shown and carried.

use std::fs;
use std::path::Path;

use crate::program::{Place, driver_works, holds};

/// 21 July 1754, and 11 October 2603.
const TIMES: [&str; 2] = ["-6798822499", "20000000000"];

/// One member of a tar: a pax header with a time and attributes, and the file.
fn member(name: &str, kind: u8, link: &str, content: &str, pax: &[(&str, &str)]) -> Vec<u8> {
    let mut records = String::new();
    for (key, value) in pax {
        let rest = format!(" {key}={value}\n");
        // the length counts its own digits; all of these have two
        records.push_str(&format!("{}{rest}", rest.len() + 2));
    }
    [block("pax", b'x', "", &records), block(name, kind, link, content)].concat()
}

fn block(name: &str, kind: u8, link: &str, content: &str) -> Vec<u8> {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, if kind == b'5' { "0000755" } else { "0000644" });
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", content.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(157, link);
    put(257, "ustar");
    put(263, "00");
    put(329, "0000001");
    put(337, "0000003");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut whole = [&header[..], content.as_bytes()].concat();
    whole.resize(whole.len().next_multiple_of(512), 0);
    whole
}

fn tar_of(time: &str, to: &Path) {
    let time = ("mtime", time);
    let (trusted, security) = (("SCHILY.xattr.trusted.k", "one"), ("SCHILY.xattr.security.k", "two"));
    let all = [
        member("d/", b'5', "", "", &[time, trusted]),
        member("d/f", b'0', "", "hello", &[time, trusted, security, ("SCHILY.xattr.user.k", "all")]),
        member("d/dev", b'3', "", "", &[time]),
        member("l", b'2', "d/f", "", &[time]),
        member("way", b'2', "d", "", &[time]),
        vec![0; 1024],
    ];
    fs::write(to, all.concat()).unwrap();
}

#[test]
fn what_no_file_can_have_is_shown_and_carried_by_every_driver() {
    let place = Place::new();
    for driver in ["direct", "overlay", "fuse"].into_iter().filter(|driver| driver_works(driver)) {
        for time in TIMES {
            tar_of(time, &place.path().join("a.tar"));
            let code = format!(
                r#"
                let time = {time};
                let l = layer("l", #{{ fresh: true }}); l.add("a.tar");
                for path in ["d", "d/f", "l", "way/f"] {{ assert_eq(l.stat(path).mtime, time, "draft " + path); }}
                l.seal();
                let m = mount_{driver}(l);
                for path in ["d", "d/f", "d/dev", "l", "way/f"] {{
                    assert_eq(l.stat(path).mtime, time, "layer " + path);
                    assert_eq(m.stat(path).mtime, time, path);
                }}
                m.cp("way", "way2"); m.cp("/d", "/copy"); m.cp("way/f", "/other/g");
                m.chmod("/d/f", "0600"); m.mv("/d", "/moved");
                for path in ["copy", "copy/f", "other/g", "moved", "moved/f"] {{
                    assert_eq(m.stat(path).mtime, time, "copy: " + path);
                    assert_eq(m.xattr(path, "trusted.k"), "one", path);
                }}
                assert_eq(m.xattr("moved/f", "security.k"), "two"); assert_eq(m.xattr("other/g", "user.k"), "all");
                assert_eq(m.upper.stat("moved/f").mtime, time);
                let web = m.commit();
                for path in ["copy", "copy/f", "other/g", "moved", "moved/f"] {{ assert_eq(web.stat(path).mtime, time); }}
                // squashed and exported, it is the same
                let one = squash([l], "one-{driver}{time}"); assert_eq(one.diff_id, l.diff_id);
                one.export_tar("b.tar"); layer("b", #{{ fresh: true }}).add("b.tar"); layer("b").seal();
                assert_eq(layer("b").diff_id, l.diff_id);
                // a time of its own counts again
                m.touch("copy/f"); assert(m.stat("copy/f").mtime != time);
                // what is not there is not made up
                let missing = ""; try {{ m.xattr("copy/f", "trusted.none"); }} catch (e) {{ missing = e.kind; }}
                assert_eq(missing, "no_attribute");
                m.discard();
                "#
            );
            place.code(&code).ok();
        }
    }
}

#[test]
fn a_copy_on_the_host_tells_what_it_could_not_have() {
    let place = Place::new();
    tar_of("123", &place.path().join("a.tar"));
    let ran = place.code(
        r#"let l = layer("l"); l.add("a.tar"); l.chown("d/f", 2147483646, 7); mount_direct(l); copy_out("/d", "out");"#,
    );
    assert_eq!(fs::read(place.path().join("out/f")).unwrap(), b"hello");
    if nix::unistd::geteuid().is_root() {
        assert_eq!(ran.err, "");
    } else {
        let told = ["not on the host, which does not take it: ", "the owner of ", "3 attributes (`"];
        holds(&ran.err, &told);
    }
    ran.ok();
}
