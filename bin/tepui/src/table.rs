//! Tables: columns without lines between them, no wider than the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use model::visible;

use crate::output;

/// The gap between two columns.
const GAP: &str = "  ";
/// The minimum width of a column.
const MIN_COLUMN: usize = 8;
/// The width to which the other columns are shortened before the first one is.
const SHORT_COLUMN: usize = 20;
/// The longest cell if no terminal sets a limit.
const MAX_CELL: usize = 1000;

/// The meaning of a cell, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
}

impl Tone {
    /// Returns the parameter of the escape sequence "select graphic rendition" (ECMA-48, 8.3.117).
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some("32"),
            Tone::Busy => Some("33"),
            Tone::Bad => Some("31"),
            Tone::Faint => Some("2"),
        }
    }
}

/// The content of one row and column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Cell { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), tone: Tone::Plain }
    }
}

/// The device on which a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputDevice {
    /// The columns of the terminal; `None` if there is none.
    pub width: Option<usize>,
    pub colours: bool,
}

impl OutputDevice {
    /// Returns the current properties of stdout.
    pub fn stdout() -> Self {
        OutputDevice { width: output::width(), colours: output::has_colours() }
    }

    /// Removes the limit of the width if `wanted`.
    pub fn wide(self, wanted: bool) -> Self {
        OutputDevice { width: self.width.filter(|_| !wanted), ..self }
    }
}

/// Renders rows of plain text under `header` for stdout.
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|cell| cell.as_str().into()).collect()).collect();
    draw(header, &rows, OutputDevice::stdout())
}

/// Renders rows under `header`. If the terminal is too narrow, the widest columns are shortened to no less than eight
/// characters. The first column is shortened last, and in its middle. The last column is not padded. Every cell is made
/// [`visible`].
pub fn draw(header: &[&str], rows: &[Vec<Cell>], device: OutputDevice) -> String {
    let shown: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(&cell.text)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|title| width(title)).collect();
    for row in &shown {
        for (most, cell) in widths.iter_mut().zip(row) {
            *most = (*most).max(width(cell).min(MAX_CELL));
        }
    }
    if let Some(most) = device.width {
        fit(&mut widths, most);
    }
    let mut out = String::new();
    let titles = header.iter().map(|title| (Cow::Borrowed(*title), Tone::Plain)).collect();
    write_row(&mut out, titles, &widths, false);
    for (row, texts) in rows.iter().zip(shown) {
        let cells = row.iter().zip(texts).map(|(cell, text)| (text, cell.tone)).collect();
        write_row(&mut out, cells, &widths, device.colours);
    }
    out
}

/// Renders names and values, one pair per line. Values are never shortened.
pub fn pairs(rows: &[Vec<String>]) -> String {
    let shown: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let name = shown.iter().filter_map(|row| row.first()).map(|name| width(name)).max().unwrap_or_default();
    let mut out = String::new();
    for row in shown {
        let widths = [name, usize::MAX];
        write_row(&mut out, row.into_iter().map(|text| (text, Tone::Plain)).collect(), &widths, false);
    }
    out
}

fn write_row(out: &mut String, cells: Vec<(Cow<'_, str>, Tone)>, widths: &[usize], colours: bool) {
    let mut blanks = 0;
    for (index, ((text, tone), most)) in cells.into_iter().zip(widths).enumerate() {
        let text = if index == 0 { shorten_inside(&text, *most) } else { shorten(&text, *most) };
        let long = width(&text);
        if index > 0 {
            blanks += GAP.len();
        }
        if long > 0 {
            out.extend(std::iter::repeat_n(' ', blanks));
            blanks = 0;
            // Writing to a string does not fail.
            let _ = match tone.code().filter(|_| colours) {
                Some(code) => write!(out, "\x1b[{code}m{text}\x1b[0m"),
                None => write!(out, "{text}"),
            };
        }
        blanks = blanks.saturating_add(most.saturating_sub(long));
    }
    out.push('\n');
}

/// Reduces the widest columns until all columns and gaps fit into `most`. The first column names the subject of the
/// row, so it is reduced only when the others are short.
fn fit(widths: &mut [usize], most: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    let room = most.saturating_sub(gaps);
    if let Some((first, others)) = widths.split_first_mut() {
        take(others, room.saturating_sub(*first), SHORT_COLUMN);
    }
    take(widths, room, MIN_COLUMN);
}

/// Reduces the widest until all of them fit into `room`, or none is wider than `least`.
fn take(widths: &mut [usize], room: usize, least: usize) {
    loop {
        let excess = widths.iter().sum::<usize>().saturating_sub(room);
        let widest = widths.iter().copied().max().unwrap_or_default();
        if excess == 0 || widest <= least {
            return;
        }
        let next = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or_default().max(least);
        let count = widths.iter().filter(|width| **width == widest).count();
        let step = (widest - next).min(excess / count);
        let (step, count) = if step == 0 { (1, excess) } else { (step, count) };
        for width in widths.iter_mut().filter(|width| **width == widest).take(count) {
            *width -= step;
        }
    }
}

/// Removes the middle of a text that is wider than `most`, because ids differ at their ends.
fn shorten_inside(text: &str, most: usize) -> Cow<'_, str> {
    let room = most.saturating_sub(1);
    let mut end = String::new();
    let mut used = 0;
    for character in text.chars().rev() {
        used += columns(character);
        if used > room / 2 {
            break;
        }
        end.insert(0, character);
    }
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}{end}", shorten(text, most.saturating_sub(width(&end)))))
}

/// Truncates a text that is wider than `most` and ends it with `…`.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if width(text) <= most {
        return Cow::Borrowed(text);
    }
    let mut short = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += columns(character);
        if used > most {
            break;
        }
        short.push(character);
    }
    short.push('…');
    Cow::Owned(short)
}

fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Returns the number of columns that a terminal uses for a character: none for combining marks, two for East Asian
/// wide ones and emoji. The ranges are the main ones of Unicode Standard Annex 11.
fn columns(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Formats a duration: `0ms`, `40ms`, `1.5s`, `12s`, `3m05s`, `2h10m`, `3d04h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let whole = seconds as u64;
    match whole {
        0 => match (seconds * 1000.0).round() as u64 {
            1000.. => "1.0s".to_owned(),
            millis => format!("{millis}ms"),
        },
        1..10 => format!("{seconds:.1}s"),
        10..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86400, whole % 86400 / 3600),
    }
}

/// Formats a number with at most two decimals and without trailing zeros: `0.1`, `12`, `3.25`.
pub fn amount(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: OutputDevice = OutputDevice { width: None, colours: false };

    fn narrow(width: usize) -> OutputDevice {
        OutputDevice { width: Some(width), colours: false }
    }

    fn check(header: &[&str], rows: &[&[&str]], device: OutputDevice, expect: &str) {
        let rows: Vec<Vec<Cell>> = rows.iter().map(|row| row.iter().map(|cell| (*cell).into()).collect()).collect();
        assert_eq!(draw(header, &rows, device), expect);
    }

    #[test]
    fn columns_line_up() {
        check(&["ID", "B"], &[&["a", "long cell"], &["bbbb", "x"]], FILE, "ID    B\na     long cell\nbbbb  x\n");
        check(&["A", "B", "C"], &[&["漢", "", "x"], &["ab", "c", ""]], FILE, "A   B  C\n漢     x\nab  c\n");
    }

    #[test]
    fn a_cell_cannot_break_the_table() {
        check(
            &["NAME", "X"],
            &[&["a\nfake  row", "\x1b[2J"], &["\u{202e}b", "c\u{9b}"]],
            FILE,
            "NAME          X\na\\nfake  row  \\x1b[2J\n\\u{202e}b     c\\x9b\n",
        );
    }

    #[test]
    fn pairs_are_never_cut() {
        let row = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        assert_eq!(pairs(&[row("role", "a\nb"), row("frameworks", "-")]), "role        a\\nb\nframeworks  -\n");
    }

    #[test]
    fn the_widest_columns_are_shortened() {
        let long = "m".repeat(40);
        check(
            &["TASK", "PATH", "MESSAGE"],
            &[&["web.1", "/a/path/of/thirty/characters/x", &long]],
            narrow(50),
            "TASK   PATH                  MESSAGE\nweb.1  /a/path/of/thirty/c…  mmmmmmmmmmmmmmmmmmmm…\n",
        );
        check(
            &["ID", "MESSAGE"],
            &[&["a-long-id-of-twenty.17", &long]],
            narrow(46),
            &format!("ID                      MESSAGE\na-long-id-of-twenty.17  {}…\n", "m".repeat(21)),
        );
        check(
            &["ID", "B"],
            &[&["a-long-id-of-twenty.17", "exited with status 0"]],
            narrow(36),
            "ID                 B\na-long-i…wenty.17  exited with stat…\n",
        );
        // Cells that fit are not changed, and no column becomes narrower than eight characters.
        check(&["A", "B"], &[&["short", "also short"]], narrow(80), "A      B\nshort  also short\n");
        check(&["A", "B"], &[&["123456789", "123456789"]], narrow(10), "A         B\n1234…789  1234567…\n");
    }

    #[test]
    fn every_line_fits_the_terminal() {
        let cell = |length: usize| "x".repeat(length);
        for width in [80, 100, 133, 200] {
            let rows =
                vec![vec![Cell::from(cell(70)), cell(12).into(), cell(90).into(), cell(3).into(), cell(200).into()]];
            let table = draw(&["A", "B", "C", "D", "E"], &rows, narrow(width));
            let widest = table.lines().map(super::width).max();
            assert_eq!(widest, Some(width), "{table}");
        }
    }

    #[test]
    fn a_huge_cell_is_cut_everywhere() {
        let table = draw(&["A", "B"], &[vec![Cell::from("y".repeat(200_000)), "b".into()]], FILE);
        assert!(table.len() < 4 * MAX_CELL, "{}", table.len());
    }

    #[test]
    fn colours_are_used_on_terminals_only() {
        let rows = [vec![Cell::toned("TASK_FAILED", Tone::Bad), "a".into()]];
        assert_eq!(draw(&["S", "T"], &rows, FILE), "S            T\nTASK_FAILED  a\n");
        let coloured = draw(&["S", "T"], &rows, OutputDevice { width: Some(80), colours: true });
        assert_eq!(coloured, "S            T\n\x1b[31mTASK_FAILED\x1b[0m  a\n");
    }

    #[test]
    fn durations_have_a_sensible_unit() {
        let shown: Vec<String> =
            [0.0, 0.0404, 0.9996, 1.54, 12.3, 185.0, 7800.0, 273600.0].into_iter().map(duration).collect();
        assert_eq!(shown, ["0ms", "40ms", "1.0s", "1.5s", "12s", "3m05s", "2h10m", "3d04h"]);
    }

    #[test]
    fn amounts_are_short() {
        let shown: Vec<String> = [0.1 + 0.2, 12.0, 3.25, 1024.0, -0.0].into_iter().map(amount).collect();
        assert_eq!(shown, ["0.3", "12", "3.25", "1024", "0"]);
    }
}
