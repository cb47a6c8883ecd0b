//! Writing to standard output and error, where the reader may have gone away, and progress.

use std::collections::HashSet;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Exit, Failure, closed};

/// Fails where standard output was closed before the program began (`>&-`): what is written to it would go nowhere.
pub fn expect_stdout() -> Result<(), Failure> {
    if !closed::was_stdout_closed() {
        return Ok(());
    }
    let what = "standard output is closed: leave it open, send it to a file (> out.jsonl), or name a file as --output";
    Err(Failure::new(Exit::Output, what))
}

/// Writes to standard output. A reader that went away (`spectrank … | head`) is no failure.
pub fn print(text: Arguments<'_>) -> Result<(), Failure> {
    expect_stdout()?;
    let mut out = stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Output, format_args!("standard output cannot be written ({error})")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Where that is closed there is nobody left to tell.
pub fn tell(line: Arguments<'_>) {
    let _ = stderr().lock().write_fmt(format_args!("{line}\n"));
}

/// Progress over slates, of so many where that is known.
pub fn progress_bar(n_slates: Option<u64>, is_hidden: bool) -> ProgressBar {
    if is_hidden {
        return ProgressBar::hidden();
    }
    let style = match n_slates {
        Some(_) => "{bar:30} {human_pos}/{human_len} slates  {per_sec}  {eta} left",
        None => "{spinner} {human_pos} slates  {per_sec}",
    };
    // The templates are constants that parse; the default style stands in should they ever not.
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    n_slates.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style)
}

/// What an engine has to say. On a terminal at once; in a log only with the summary, so that bad input ends in one line.
pub struct Notices {
    is_quiet: bool,
    /// Every notice so far: several engines may have the same one.
    seen: HashSet<String>,
    untold: Vec<String>,
}

impl Notices {
    /// Nothing said yet; `is_quiet` keeps it so.
    pub fn new(is_quiet: bool) -> Self {
        Self { is_quiet, seen: HashSet::new(), untold: Vec::new() }
    }

    /// Says it above the bar, or keeps it for later; each notice once.
    pub fn tell(&mut self, bar: &ProgressBar, notice: Option<String>) {
        let Some(notice) = notice.filter(|notice| !self.is_quiet && self.seen.insert(notice.clone())) else { return };
        let line = format!("spectrank: {notice}");
        if bar.is_hidden() { self.untold.push(line) } else { bar.println(line) }
    }

    /// Says what was kept.
    pub fn finish(self) {
        for notice in self.untold {
            tell(format_args!("{notice}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_engines_say_is_said_once() {
        let mut notices = Notices::new(false);
        let bar = ProgressBar::hidden();
        for notice in ["the catalog stays", "other", "the catalog stays"] {
            notices.tell(&bar, Some(notice.to_owned()));
        }
        assert_eq!(notices.untold, ["spectrank: the catalog stays", "spectrank: other"]);
    }
}
