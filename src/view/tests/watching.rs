//! What happens in watched mounts.

use insta::assert_snapshot;

use super::super::{watch, watch_more};
use super::{ASCII, NAMES, PLAIN, Style, labels, stripped, visible};
use crate::model::{Kind, LayerPath};
use crate::overlay::Aspect;
use crate::view::escape::width;
use crate::workspace::{Event, Over, Scene, Tally, Told};

fn path(text: &[u8]) -> LayerPath {
    LayerPath::parse(text).unwrap()
}

fn told(event: Event) -> Told {
    let scene = Scene { mount: "web".to_owned(), layers: labels(&NAMES) };
    Told { scene: scene.into(), among_several: false, event }
}

fn events() -> Vec<Event> {
    let (motd, dir) = (path(b"etc/motd"), path(b"d"));
    let changed = |what, copied_up| Event::Changed { path: motd.clone(), kind: Kind::File, what, copied_up };
    let created = |kind, over| Event::Created { path: motd.clone(), kind, over };
    let copied = |path: &LayerPath, kind, bytes| Event::CopiedUp { path: path.clone(), kind, from: 1, bytes };
    let renamed = |hides| Event::Renamed { from: motd.clone(), to: path(b"motd"), kind: Kind::File, hides };
    vec![
        copied(&motd, Kind::File, 27),
        copied(&dir, Kind::Dir, 0),
        copied(&motd, Kind::Symlink, 0),
        created(Kind::File, Over::Nothing),
        created(Kind::Fifo, Over::Whiteout),
        created(Kind::File, Over::Layer(0)),
        changed(Aspect::Content, false),
        changed(Aspect::Mode, true),
        Event::Whiteout { path: motd.clone(), hides: Some(0) },
        Event::Whiteout { path: motd.clone(), hides: None },
        Event::Opaque { path: dir.clone(), hides: Some(1), made: true },
        Event::Opaque { path: dir.clone(), hides: None, made: false },
        renamed(None),
        renamed(Some(0)),
        Event::Exchanged { from: motd.clone(), to: dir },
        Event::Removed { path: motd.clone(), kind: Kind::File },
    ]
}

fn drawn(style: &Style) -> String {
    events().into_iter().map(|event| watch(&told(event), style)).collect()
}

#[test]
fn each_event_is_a_line_in_plain_words() {
    assert_snapshot!(drawn(&PLAIN), @r"
    watch: copied up /etc/motd from app (a172cedcae47), 27 B
    watch: copied up /d/ from app (a172cedcae47), the directory alone
    watch: copied up /etc/motd from app (a172cedcae47), a symlink
    watch: created /etc/motd
    watch: created /etc/motd|, in the place of its whiteout
    watch: created /etc/motd, hides base's
    watch: changed /etc/motd in place: content
    watch: changed /etc/motd: mode
    watch: whiteout /etc/motd hides base's
    watch: whiteout /etc/motd hides nothing
    watch: opaque /d/: made anew, nothing of app shows through
    watch: opaque /d/: nothing beneath shows through
    watch: renamed /etc/motd → /motd
    watch: renamed /etc/motd → /motd, hides base's
    watch: exchanged /etc/motd and /d
    watch: removed /etc/motd, which the upper alone held
    ");
    let coloured = visible(&watch(&told(events().remove(0)), &Style { color: true, ..PLAIN }));
    assert_snapshot!(coloured, @"<243>watch: </><166>copied up </>/etc/motd from <136>app</> (a172cedcae47), 27 B");
    assert!(drawn(&ASCII).is_ascii());
}

#[test]
fn one_of_several_mounts_is_named() {
    let told = Told { among_several: true, ..told(events().remove(3)) };
    assert_snapshot!(watch(&told, &PLAIN), @"watch web: created /etc/motd");
}

#[test]
fn hostile_and_long_names_stay_in_their_line() {
    let long = [&b"a/".repeat(80)[..], b"\x1b[2J\xff end\n"].concat();
    let event = Event::Renamed { from: path(&long), to: path(b"b\x07"), kind: Kind::Dir, hides: Some(1) };
    let line = watch(&told(event), &PLAIN);
    assert_snapshot!(line, @r"watch: renamed /a/a/a/a/a/a/a/a/a/a…/a/\x1b[2J\xff end\n/ → /b\x07/, hides app's");
    for columns in [60, 80, 132] {
        for event in events().into_iter().chain([Event::Whiteout { path: path(&long), hides: Some(0) }]) {
            for style in [Style { width: columns, ..ASCII }, Style { width: columns, color: true, ..PLAIN }] {
                let line = stripped(&watch(&told(event.clone()), &style));
                assert!(width(line.trim_end_matches('\n')) <= columns, "{line:?}");
                assert!(!line.trim_end_matches('\n').contains(char::is_control), "{line:?}");
            }
        }
    }
}

#[test]
fn a_layer_that_is_not_known_yet_is_a_lower() {
    let event = Event::Whiteout { path: path(b"a"), hides: Some(7) };
    assert_snapshot!(watch(&told(event), &PLAIN), @"watch: whiteout /a hides a lower's");
}

#[test]
fn the_sum_names_the_most_frequent_first() {
    let mut more = Tally::default();
    let [copied, whiteout] = [0, 8].map(|at| events().remove(at));
    (0..100).for_each(|_| more.add(&copied));
    (0..99_800).for_each(|_| more.add(&whiteout));
    more.add(&events()[10]);
    assert_snapshot!(watch_more(&more, &PLAIN), @"watch: … and 99,901 more: 99,800 whiteouts, 100 copied up, 1 opaque directory");
    assert_snapshot!(watch_more(&more, &ASCII), @"watch: ... and 99,901 more: 99,800 whiteouts, 100 copied up, 1 opaque directory");
}
