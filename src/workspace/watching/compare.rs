//! What became of an upper from one survey to the next, as the events that our own union would have told.
//!
//! The kernel marks what it copied up, so copies are told from new files. A name that moved is known by its inode, and a
//! lower file that moved by the whiteout that it left. What came and went between two surveys is not seen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::survey::{Mark, Seen, Survey};
use crate::driver::{Event, Over};
use crate::model::{Digest, Entry, Kind, LayerPath};
use crate::overlay::Aspect;

/// What lies beneath a path: the layer and its file.
type Beneath<'a> = &'a mut dyn FnMut(&LayerPath) -> Option<(usize, Entry)>;

/// Tells what happened, in the order of paths.
pub(super) fn compare(before: &Survey, after: &Survey, beneath: Beneath<'_>) -> Vec<Event> {
    let bare = after.cut_off();
    let mut comparison = Comparison { before, after, beneath, bare, events: Vec::new() };
    let moves = moves(before, after);
    let new: Vec<(&LayerPath, &Seen)> =
        after.0.iter().filter(|&(path, now)| before.0.get(path) != Some(now)).collect();
    let mut deleted = comparison.deleted(&new);
    for (path, now) in new {
        if let Some(&(from, top)) = moves.to.get(path) {
            if top {
                comparison.tell_move(from, path, now.kind);
            }
            continue;
        }
        match before.0.get(path).filter(|_| !moves.from.contains(path)) {
            Some(then) if then.mark != Mark::Whiteout && now.mark != Mark::Whiteout => {
                comparison.tell_change(path, then, now);
            }
            Some(then) if then.mark == now.mark => {}
            then => comparison.tell_new(path, then.is_some(), now, &mut deleted),
        }
    }
    for (path, then) in &before.0 {
        let above = path.parent().unwrap_or_default();
        let gone = !after.0.contains_key(path) && !moves.from.contains(path) && after.holds_dir(&above);
        if gone && then.mark != Mark::Whiteout {
            comparison.events.push(Event::Removed { path: path.clone(), kind: then.kind });
        }
    }
    comparison.events
}

/// Names of the upper that moved within it.
#[derive(Default)]
struct Moves<'a> {
    /// New name → old name, and whether the directory above did not move with it.
    to: BTreeMap<&'a LayerPath, (&'a LayerPath, bool)>,
    from: BTreeSet<&'a LayerPath>,
}

fn moves<'a>(before: &'a Survey, after: &'a Survey) -> Moves<'a> {
    let stays = |path: &LayerPath, then: &Seen| after.0.get(path).is_some_and(|now| now.is_same_file(then));
    let gone: HashMap<u64, (&LayerPath, &Seen)> = before
        .0
        .iter()
        .filter(|(path, then)| then.mark != Mark::Whiteout && !stays(path, then))
        .map(|(path, then)| (then.inode, (path, then)))
        .collect();
    let mut moves = Moves::default();
    for (path, now) in &after.0 {
        if before.0.get(path).is_some_and(|then| then.is_same_file(now)) {
            continue;
        }
        if let Some(&(from, then)) = gone.get(&now.inode)
            && now.is_same_file(then)
        {
            let above = (from.parent(), path.parent());
            let with_above = match &above {
                (Some(old), Some(new)) => moves.to.get(new).is_some_and(|(from, _)| *from == old),
                _ => false,
            };
            moves.to.insert(path, (from, !with_above));
            moves.from.insert(from);
        }
    }
    moves
}

struct Comparison<'a, 'b> {
    before: &'a Survey,
    after: &'a Survey,
    beneath: Beneath<'b>,
    /// Directories in which nothing of the layers beneath shows: nobody need look there.
    bare: HashSet<LayerPath>,
    events: Vec<Event>,
}

/// The lower files that whiteouts hide since the survey before.
type Deleted<'a> = Vec<(&'a LayerPath, usize, Entry)>;

impl Comparison<'_, '_> {
    /// What lies beneath a path of the upper and would show without it.
    fn beneath(&mut self, path: &LayerPath) -> Option<(usize, Entry)> {
        let covered = path.parent().is_some_and(|dir| self.bare.contains(&dir));
        let found = if covered { None } else { (self.beneath)(path) };
        let merges = found.as_ref().is_some_and(|(_, entry)| entry.node.kind() == Kind::Dir);
        if !merges && self.after.holds_dir(path) {
            self.bare.insert(path.clone());
        }
        found
    }

    fn hidden(&mut self, path: &LayerPath) -> Option<usize> {
        self.beneath(path).map(|(layer, _)| layer)
    }

    /// Lower files that may have moved: looked for only where a copy without anything beneath it may be one of them.
    fn deleted<'p>(&mut self, new: &[(&'p LayerPath, &'p Seen)]) -> Deleted<'p> {
        if !new.iter().any(|(_, now)| now.mark == Mark::Copied) {
            return Vec::new();
        }
        let is_new =
            |path: &LayerPath| self.before.0.get(path).is_none_or(|then| then.mark != Mark::Whiteout);
        let whiteouts: Vec<&LayerPath> = new
            .iter()
            .filter(|(path, now)| now.mark == Mark::Whiteout && is_new(path))
            .map(|(path, _)| *path)
            .collect();
        let found = whiteouts.into_iter().filter_map(|path| {
            let (layer, entry) = self.beneath(path)?;
            Some((path, layer, entry))
        });
        found.collect()
    }

    fn tell_move(&mut self, from: &LayerPath, to: &LayerPath, kind: Kind) {
        let hides = self.hidden(to);
        self.events.push(Event::Renamed { from: from.clone(), to: to.clone(), kind, hides });
    }

    /// A name that was not there, or was a whiteout (`over_whiteout`, if it is none now).
    fn tell_new(&mut self, path: &LayerPath, was_there: bool, now: &Seen, deleted: &mut Deleted<'_>) {
        let (own, kind) = (path.clone(), now.kind);
        match now.mark {
            Mark::Whiteout => {
                let hides = self.hidden(path);
                self.events.push(Event::Whiteout { path: own, hides });
            }
            Mark::Opaque => {
                let hides = self.hidden(path);
                self.events.push(Event::Opaque { path: own, hides, made: true });
            }
            Mark::Plain | Mark::Copied if was_there => {
                self.events.push(Event::Created { path: own, kind, over: Over::Whiteout });
            }
            Mark::Plain | Mark::Copied => {
                let beneath = self.beneath(path);
                let fits = |entry: &Entry| {
                    let sized = now.is_dir() || (entry.size(), entry.meta.mtime) == (now.size, now.mtime);
                    entry.node.kind() == kind && sized
                };
                let moved = match &beneath {
                    Some((_, entry)) if fits(entry) => None,
                    _ if now.mark == Mark::Copied => deleted.iter().position(|(_, _, entry)| fits(entry)),
                    _ => None,
                };
                if let Some(place) = moved {
                    let (from, layer, entry) = deleted.swap_remove(place);
                    self.tell_copy(from, layer, &entry);
                    self.tell_move(from, path, kind);
                    return;
                }
                match beneath {
                    Some((layer, entry)) if is_copy(now, &entry) => {
                        self.tell_copy(path, layer, &entry);
                        self.tell_attributes(path, &entry, now);
                    }
                    Some((layer, _)) => {
                        self.events.push(Event::Created { path: own, kind, over: Over::Layer(layer) });
                    }
                    None => self.events.push(Event::Created { path: own, kind, over: Over::Nothing }),
                }
            }
        }
    }

    fn tell_copy(&mut self, path: &LayerPath, from: usize, entry: &Entry) {
        let kind = entry.node.kind();
        let bytes = if kind == Kind::File { entry.size() } else { 0 };
        self.events.push(Event::CopiedUp { path: path.clone(), kind, from, bytes });
    }

    /// What of a copy is not as it was beneath; its content aside, which may have been the reason for the copy.
    fn tell_attributes(&mut self, path: &LayerPath, beneath: &Entry, now: &Seen) {
        if beneath.meta.mode != now.mode && now.kind != Kind::Symlink {
            self.tell_aspect(path, now, Aspect::Mode, true);
        }
    }

    fn tell_aspect(&mut self, path: &LayerPath, now: &Seen, what: Aspect, copied_up: bool) {
        self.events.push(Event::Changed { path: path.clone(), kind: now.kind, what, copied_up });
    }

    /// A name that was there already.
    fn tell_change(&mut self, path: &LayerPath, then: &Seen, now: &Seen) {
        if now.mark == Mark::Opaque && then.mark != Mark::Opaque {
            let hides = self.hidden(path);
            let made = now.inode != then.inode;
            return self.events.push(Event::Opaque { path: path.clone(), hides, made });
        }
        let same = (now.inode, now.kind) == (then.inode, then.kind);
        // whether it differs, where both were looked at: a time can be put back, or set
        let differs =
            |then: Option<Digest>, now: Option<Digest>| then.zip(now).map(|(then, now)| then != now);
        let content = differs(then.inside.content, now.inside.content);
        let attributes = differs(then.inside.attributes, now.inside.attributes);
        let dated = !now.is_dir() && now.mtime != then.mtime;
        let written = !now.is_dir() && (now.size != then.size || content.unwrap_or(dated));
        let mut aspects = Vec::new();
        if now.kind != then.kind {
            aspects.push(Aspect::Type);
        } else if !same || written {
            aspects.push(Aspect::Content);
        }
        if same {
            aspects.extend((now.mode != then.mode).then_some(Aspect::Mode));
            aspects.extend((now.owner != then.owner).then_some(Aspect::Owner));
            // a mode has its say in an access control list
            aspects.extend((attributes == Some(true) && now.mode == then.mode).then_some(Aspect::Xattr));
            aspects.extend((dated && aspects.is_empty()).then_some(Aspect::Time));
            // the inode's time moves with each of these; by itself it stands for what was not looked at
            if aspects.is_empty() && !now.is_dir() && now.links == then.links && now.ctime != then.ctime {
                aspects.extend(match (attributes, content) {
                    (None, _) => Some(Aspect::Xattr),
                    (_, None) => Some(Aspect::Content),
                    (_, Some(_)) => None,
                });
            }
        }
        for what in aspects {
            self.tell_aspect(path, now, what, false);
        }
    }
}

/// Whether a file of the upper was copied up from what lies beneath it. The kernel marks no copy of a file that has
/// several names.
fn is_copy(now: &Seen, beneath: &Entry) -> bool {
    let marked = now.mark == Mark::Copied || now.is_dir() || beneath.link.is_some();
    marked && beneath.node.kind() == now.kind
}

#[cfg(test)]
mod tests {
    use super::super::survey::Inside;
    use super::*;
    use crate::model::{Metadata, Mode, Node, Timestamp};

    fn path(text: &str) -> LayerPath {
        LayerPath::parse(text.as_bytes()).unwrap()
    }

    fn time(secs: i64) -> Timestamp {
        Timestamp { secs, nanos: 0 }
    }

    /// One name: `(inode, mark, kind, size, mtime)`.
    fn seen(inode: u64, mark: Mark, kind: Kind, size: u64, mtime: i64) -> Seen {
        let (mtime, ctime) = (time(mtime), time(mtime));
        let (mode, inside) = (Mode::new(0o644), Inside::default());
        Seen { mark, kind, inode, mode, owner: (0, 0), links: 1, size, mtime, ctime, inside }
    }

    fn file(inode: u64, size: u64) -> Seen {
        seen(inode, Mark::Plain, Kind::File, size, 7)
    }

    fn survey(names: &[(&str, Seen)]) -> Survey {
        let root = ("", seen(1, Mark::Plain, Kind::Dir, 0, 1));
        Survey(names.iter().chain([&root]).map(|(name, seen)| (path(name), seen.clone())).collect())
    }

    /// Beneath lie `low`, a file of 27 bytes in the layer 0, and the directory `d` with `d/f` in the layer 1.
    fn told(before: &[(&str, Seen)], after: &[(&str, Seen)]) -> Vec<Event> {
        let meta = || Metadata { mode: Mode::new(0o644), mtime: time(5), ..Metadata::default() };
        let mut beneath = |asked: &LayerPath| {
            let node = match asked.as_bytes() {
                b"low" => {
                    return Some((0, Entry::new(Node::File { size: 27 }, meta())));
                }
                b"d" => Node::Dir { opaque: false },
                b"d/f" => Node::File { size: 3 },
                _ => return None,
            };
            Some((1, Entry::new(node, meta())))
        };
        compare(&survey(before), &survey(after), &mut beneath)
    }

    fn created(at: &str, kind: Kind, over: Over) -> Event {
        Event::Created { path: path(at), kind, over }
    }

    fn changed(at: &str, what: Aspect, copied_up: bool) -> Event {
        Event::Changed { path: path(at), kind: Kind::File, what, copied_up }
    }

    fn copied(at: &str, kind: Kind, from: usize, bytes: u64) -> Event {
        Event::CopiedUp { path: path(at), kind, from, bytes }
    }

    fn renamed(from: &str, to: &str, kind: Kind) -> Event {
        Event::Renamed { from: path(from), to: path(to), kind, hides: None }
    }

    #[test]
    fn nothing_happened() {
        assert_eq!(told(&[("a", file(2, 1))], &[("a", file(2, 1))]), []);
    }

    #[test]
    fn a_copy_is_told_from_a_new_file_by_the_mark_of_the_kernel() {
        let copy = seen(2, Mark::Copied, Kind::File, 30, 9);
        assert_eq!(told(&[], &[("low", copy)]), [copied("low", Kind::File, 0, 27)]);
        assert_eq!(told(&[], &[("low", file(2, 30))]), [created("low", Kind::File, Over::Layer(0))]);
        assert_eq!(told(&[], &[("new", file(2, 30))]), [created("new", Kind::File, Over::Nothing)]);
    }

    #[test]
    fn a_copy_with_another_mode_was_made_for_it() {
        let mut copy = seen(2, Mark::Copied, Kind::File, 27, 5);
        copy.mode = Mode::new(0o755);
        let events = told(&[], &[("low", copy)]);
        assert_eq!(events, [copied("low", Kind::File, 0, 27), changed("low", Aspect::Mode, true)]);
    }

    #[test]
    fn deletions_and_what_takes_their_place() {
        let whiteout = || seen(9, Mark::Whiteout, Kind::CharDevice, 0, 9);
        let hides = |at: &str, hides| Event::Whiteout { path: path(at), hides };
        assert_eq!(told(&[], &[("low", whiteout())]), [hides("low", Some(0))]);
        assert_eq!(told(&[("low", file(2, 1))], &[("low", whiteout())]), [hides("low", Some(0))]);
        assert_eq!(
            told(&[("low", whiteout())], &[("low", file(2, 1))]),
            [created("low", Kind::File, Over::Whiteout)]
        );
        let opaque = seen(3, Mark::Opaque, Kind::Dir, 0, 9);
        let cut = Event::Opaque { path: path("d"), hides: Some(1), made: true };
        assert_eq!(
            told(&[("d", whiteout())], &[("d", opaque.clone()), ("d/f", file(4, 1))]),
            [cut, created("d/f", Kind::File, Over::Nothing)]
        );
        assert_eq!(told(&[("d", opaque), ("d/f", file(4, 1))], &[("d", whiteout())]), [hides("d", Some(1))]);
    }

    #[test]
    fn a_removed_directory_is_told_once() {
        let dir = seen(2, Mark::Plain, Kind::Dir, 0, 9);
        let events = told(&[("n", dir), ("n/a", file(3, 1)), ("b", file(4, 1))], &[]);
        let removed = |at: &str, kind| Event::Removed { path: path(at), kind };
        assert_eq!(events, [removed("b", Kind::File), removed("n", Kind::Dir)]);
    }

    #[test]
    fn what_moved_is_known_by_its_inode_and_told_once() {
        let dir = || seen(2, Mark::Plain, Kind::Dir, 0, 9);
        let events = told(&[("n", dir()), ("n/a", file(3, 1))], &[("m", dir()), ("m/a", file(3, 1))]);
        assert_eq!(events, [renamed("n", "m", Kind::Dir)]);
        // the number alone may have been given out again
        let events = told(&[("a", file(3, 1))], &[("b", file(3, 2))]);
        let removed = Event::Removed { path: path("a"), kind: Kind::File };
        assert_eq!(events, [created("b", Kind::File, Over::Nothing), removed]);
    }

    #[test]
    fn a_lower_file_that_moved_is_known_by_the_whiteout_it_left() {
        let whiteout = seen(9, Mark::Whiteout, Kind::CharDevice, 0, 9);
        let copy = seen(2, Mark::Copied, Kind::File, 27, 5);
        let events = told(&[], &[("high", copy), ("low", whiteout)]);
        let left = Event::Whiteout { path: path("low"), hides: Some(0) };
        assert_eq!(events, [copied("low", Kind::File, 0, 27), renamed("low", "high", Kind::File), left]);
    }

    #[test]
    fn changes_in_place_say_of_what() {
        let then = [("a", file(2, 1))];
        let mut now = file(2, 5);
        assert_eq!(told(&then, &[("a", now.clone())]), [changed("a", Aspect::Content, false)]);
        (now.size, now.mode) = (1, Mode::new(0o600));
        assert_eq!(told(&then, &[("a", now)]), [changed("a", Aspect::Mode, false)]);
        let mut now = file(2, 1);
        now.ctime = time(8);
        assert_eq!(told(&then, &[("a", now.clone())]), [changed("a", Aspect::Xattr, false)]);
        now.links = 2;
        assert_eq!(told(&then, &[("a", now.clone())]), [], "it got another name");
        assert_eq!(told(&then, &[("a", file(3, 1))]), [changed("a", Aspect::Content, false)]);
    }

    #[test]
    fn a_time_that_was_put_back_hides_nothing() {
        let look = |content: &str, attributes: &str, ctime| {
            let mut seen = file(2, 3);
            let digest = |text: &str| (!text.is_empty()).then(|| Digest::of(text.as_bytes()));
            seen.ctime = time(ctime);
            seen.inside = Inside { attributes: digest(attributes), content: digest(content) };
            seen
        };
        let then = [("a", look("aaa", "x", 7))];
        let content = || changed("a", Aspect::Content, false);
        let xattr = || changed("a", Aspect::Xattr, false);
        assert_eq!(told(&then, &[("a", look("bbb", "x", 8))]), [content()]);
        assert_eq!(told(&then, &[("a", look("aaa", "y", 8))]), [xattr()]);
        assert_eq!(told(&then, &[("a", look("bbb", "y", 8))]), [content(), xattr()]);
        assert_eq!(told(&then, &[("a", look("aaa", "x", 8))]), [], "only looked at, or set to what it was");
        // too long to be read
        assert_eq!(told(&[("a", look("", "x", 7))], &[("a", look("", "x", 8))]), [content()]);
    }

    #[test]
    fn what_is_new_within_a_new_or_opaque_directory_hides_nothing_and_nobody_looks() {
        let dir = |inode, mark| seen(inode, mark, Kind::Dir, 0, 7);
        let before = survey(&[("opaque", dir(2, Mark::Opaque)), ("opaque/in", dir(3, Mark::Plain))]);
        let after = survey(&[
            ("new", dir(4, Mark::Plain)),
            ("new/in", dir(5, Mark::Plain)),
            ("new/in/file", file(6, 1)),
            ("opaque", dir(2, Mark::Opaque)),
            ("opaque/in", dir(3, Mark::Plain)),
            ("opaque/in/file", file(7, 1)),
        ]);
        let mut asked = Vec::new();
        let events = compare(&before, &after, &mut |path| {
            asked.push(path.clone());
            None
        });
        assert_eq!(asked, [path("new")]);
        assert_eq!(events.len(), 4);
    }
}
