//! The output of commands: results on stdout, progress on stderr.

use std::{
    fmt::Display,
    io::{IsTerminal as _, Write as _, stderr, stdout},
};

use comfy_table::{Cell, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Prints a line on stdout. If the reader has gone (`| head`), that is an error and no panic.
pub(crate) fn line(text: impl Display) -> anyhow::Result<()> {
    Ok(writeln!(stdout().lock(), "{text}")?)
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A table with these headings.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| Cell::new(heading.to_uppercase())));
    table
}

/// A number and its noun, in the plural unless the number is one.
pub(crate) fn counted<N: Copy + Display + From<u8> + PartialEq>(number: N, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == N::from(1) => format!("{number} {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}

/// A progress bar on stderr. Nothing is drawn if that is no terminal.
pub(crate) fn progress(total: u64, what: &'static str) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    bar(ProgressDrawTarget::stderr(), total, what)
}

fn bar(on: ProgressDrawTarget, total: u64, what: &'static str) -> ProgressBar {
    let form = "{msg} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left";
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), on).with_style(style).with_message(what)
}

/// Makes foreign text safe for a terminal: one line, no control characters, limited in length.
pub(crate) fn tame(bytes: &[u8], longest: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut tame: String =
        text.chars().take(longest).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        tame.push('…');
    }
    tame
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::TermLike;

    use super::*;

    /// A terminal of 80 columns that keeps what is written to it, and ignores where the cursor goes.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().expect("no panic").push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn progress_names_the_work_and_says_how_much_of_it_is_done() {
        let screen = Screen::default();
        let bar = bar(ProgressDrawTarget::term_like(Box::new(screen.clone())), 10_000, "comparing");
        bar.inc(2_500);
        bar.tick();
        let shown = screen.0.lock().expect("no panic").clone();
        assert!(shown.contains("comparing") && shown.contains("2,500/10,000") && shown.contains(" left"), "{shown}");
        // The default style of a bar has none of these, and a bar whose style cannot be read gets that one.
        assert!(shown.contains("/s"), "{shown}");
    }

    #[test]
    fn one_of_a_thing_is_not_many() {
        assert_eq!([counted(0, "like"), counted(1, "like"), counted(2, "like")], ["0 likes", "1 like", "2 likes"]);
        assert_eq!([counted(1_u64, "entry"), counted(2_u64, "entry")], ["1 entry", "2 entries"]);
    }

    #[test]
    fn what_others_wrote_cannot_steer_a_terminal() {
        assert_eq!(tame(b"a\x1b[2Jb\nc\xff", 80), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}");
        assert_eq!(tame(b"abcdef", 3), "abc…");
    }
}
