//! The picture of a session that README shows: what the screen shows, as SVG.
//!
//! It is compared with what the program shows now; `scripts/dev/picture` draws it anew (`UFS_DRAW=1`).

use std::fmt::Write as _;
use std::path::Path;

use vt100::{Cell, Color, Screen};

use crate::program::Place;
use crate::terminal::{Look, Terminal};

/// Where it lies, from the top.
const FILE: &str = "scripts/dev/session.svg";
/// The window: as wide as a page of README, as high as the session is long.
const LOOK: Look = Look { columns: 88, rows: 70, term: "xterm-256color", locale: "C.UTF-8" };
/// What is typed.
const SESSION: [&str; 9] = [
    r#"let base = layer("base"); base.write("/tool", "v1\n")"#,
    r#"base.write("/etc/motd", "hello from base\n")"#,
    r#"let app = layer("app"); app.write("/etc/motd", "hello from the app\n")"#,
    r#"let m = mount([base, app], #{ name: "web" })"#,
    r#"rm("/tool"); write("/srv/index.html", "<h1>It works</h1>\n")"#,
    "show",
    r#"explain("/etc/motd")"#,
    r#"let site = commit("site", "a page, and no tool")"#,
    "history",
];

/// Pixels of a column and of a row, and around the whole.
const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 18.0;
const AROUND: f32 = 16.0;

#[test]
fn the_picture_in_the_readme_is_what_the_program_shows() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: the picture is of a session of root, who needs no namespace");
        return;
    }
    if !crate::program::overlay_works() {
        return;
    }
    let place = Place::new().with("UFS_STORE", "/mnt").with("SOURCE_DATE_EPOCH", "1700000000");
    std::fs::create_dir(place.store()).unwrap();
    // at a path that is the same each time, wherever the program itself lies
    let start = r#"exec 3<"$0"; mount --bind "$1" /mnt; exec /proc/self/fd/3"#;
    let store = place.store();
    let command =
        ["unshare", "--mount", "sh", "-ec", start, env!("CARGO_BIN_EXE_ufs"), store.to_str().unwrap()];
    let mut terminal = Terminal::run(&place, LOOK, &command);
    for line in SESSION {
        terminal.ask(line);
    }
    let drawn = svg(terminal.screen());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("UFS_DRAW").is_some() {
        std::fs::write(path, drawn).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == drawn,
        "{FILE} is not what the program shows; scripts/dev/picture draws it anew: {drawn}"
    );
}

/// The rows down to the cursor's; its colours are those of light and of dark windows.
fn svg(screen: &Screen) -> String {
    let (_, columns) = screen.size();
    let rows = screen.cursor_position().0 + 1;
    let (width, height) =
        (f32::from(columns.get()) * WIDTH + 2.0 * AROUND, f32::from(rows) * HEIGHT + 2.0 * AROUND);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\">\n<title>A session at the prompt of ufs</title>\n<style>\n\
         rect {{ fill: #ffffff; stroke: #d0d7de }}\n\
         text {{ fill: #1f2328; font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, \"DejaVu Sans Mono\", \
         monospace }}\n.b {{ font-weight: bold }}\n.u {{ text-decoration: underline }}\n\
         .i {{ font-style: italic }}\n.d {{ opacity: 0.6 }}\n\
         @media (prefers-color-scheme: dark) {{\nrect {{ fill: #0d1117; stroke: #30363d }}\n\
         text {{ fill: #e6edf3 }}\n}}\n</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\"/>\n",
        width - 1.0,
        height - 1.0
    );
    for row in 0..rows {
        let baseline = AROUND + f32::from(row) * HEIGHT + HEIGHT * 0.75;
        for (start, cells, text, cell) in runs(screen, row, columns.get()) {
            let at = AROUND + f32::from(start) * WIDTH;
            // every piece has its place and its length: a grid in whatever font there is
            writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{baseline:.1}\" textLength=\"{:.1}\"{}>{}</text>",
                f32::from(cells) * WIDTH,
                look(cell),
                escaped(&text)
            )
            .unwrap();
        }
    }
    svg + "</svg>\n"
}

/// The pieces of a row that look alike: where each starts, how many columns it takes, its text, and a cell of it.
fn runs(screen: &Screen, row: u16, columns: u16) -> Vec<(u16, u16, String, &Cell)> {
    let mut runs: Vec<(u16, u16, String, &Cell)> = Vec::new();
    for column in 0..columns {
        let cell = screen.cell(row, column).unwrap();
        if cell.is_wide_continuation() {
            continue;
        }
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let cells = if cell.is_wide() { 2 } else { 1 };
        match runs.last_mut() {
            Some((_, length, run, first)) if look(first) == look(cell) => {
                *length += cells;
                run.push_str(text);
            }
            _ => runs.push((column, cells, text.to_owned(), cell)),
        }
    }
    for (start, length, text, _) in &mut runs {
        let indent = text.len() - text.trim_start_matches(' ').len();
        text.drain(..indent);
        *start += u16::try_from(indent).unwrap();
        *length -= u16::try_from(indent).unwrap();
        *length -= u16::try_from(text.len() - text.trim_end_matches(' ').len()).unwrap();
        text.truncate(text.trim_end_matches(' ').len());
    }
    runs.retain(|(_, _, text, _)| !text.is_empty());
    runs
}

/// The attributes of a cell's text.
fn look(cell: &Cell) -> String {
    let marks = [(cell.bold(), 'b'), (cell.underline(), 'u'), (cell.italic(), 'i'), (cell.dim(), 'd')];
    let classes: Vec<String> = marks.iter().filter(|(on, _)| *on).map(|(_, mark)| mark.to_string()).collect();
    let mut look = String::new();
    if !classes.is_empty() {
        write!(look, " class=\"{}\"", classes.join(" ")).unwrap();
    }
    if let Some(color) = hex(cell.fgcolor()) {
        write!(look, " style=\"fill: {color}\"").unwrap();
    }
    look
}

/// A colour of xterm's table of 256 (`256colres.pl`): the cube and the greys; the first sixteen are what a theme makes
/// of them, and none of ours.
fn hex(color: Color) -> Option<String> {
    let (red, green, blue) = match color {
        Color::Default => return None,
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Idx(0..16) => panic!("{color:?} differs from theme to theme"),
        Color::Idx(index @ 16..232) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let index = index - 16;
            (level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    };
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
