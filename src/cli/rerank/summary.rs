//! What a run says at its end.

use std::time::Duration;

use serde::Serialize;
use spectrank::folder::Part;
use spectrank::memory::size_text;
use spectrank::problem::MissingCount;
use spectrank::slate::{Pin, RankedSlate, Slate};
use spectrank::text::counted;

use super::output::Before;
use super::{Failure, Rerank, terminal};

/// What happened, for the summary line.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Slates that were ranked.
    pub slates: u64,
    /// Rows of the output.
    pub positions: u64,
    /// Slates with fewer candidates than positions, after filters.
    pub short_slates: u64,
    /// The first of them, by id.
    pub first_short: Option<String>,
    /// Candidates that filters took out.
    pub filtered_candidates: u64,
    /// Pinned items that do not stand where they were pinned: a filter took them out, or the slate ends before.
    pub pins_not_kept: u64,
    /// Items of the catalog that lack something, by the setting that needs it.
    pub missing: Vec<MissingCount>,
    /// Slates whose later positions `dpp` or `ssd` filled by base score alone, nothing new being left.
    pub rank_exhausted_slates: u64,
    /// From the first slate read to the output's completion.
    pub seconds: f64,
    /// Seconds in which the engine was at work, or several were on average; reading and writing go on meanwhile.
    pub engine_seconds: f64,
    /// Slates per second, reading and writing included.
    pub slates_per_s: f64,
    /// Slates per second of the engine alone, or of several together.
    pub engine_slates_per_s: f64,
    /// What computed, in words.
    pub engine: String,
    /// Most memory that was resident at a time, by the system's count; nothing where it does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// Embeddings that stayed in their files to keep to the memory limit. Their pages can be part of the peak: the system
    /// takes them back when it needs them.
    pub mapped_bytes: u64,
    /// What the output folder holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderSummary>,
}

/// An output folder at the end of a run.
#[derive(Debug, Serialize)]
pub struct FolderSummary {
    /// Parts.
    pub parts: usize,
    /// Their slates.
    pub slates: u64,
    /// Parts that were there before.
    pub resumed_parts: u64,
    /// Their slates.
    pub resumed_slates: u64,
    /// Parts that were missing or damaged, and were made again.
    pub remade_parts: usize,
    /// Nothing was left to do: all parts were there, and are what they were.
    pub was_complete: bool,
    /// Time in which the parts that were there were read and held against their checksums.
    pub verify_seconds: f64,
    /// Parts that another engine computed than the run began with: the CPU, after the GPU had failed for good.
    pub other_engine_parts: usize,
}

impl FolderSummary {
    fn held(&self) -> String {
        format!("{} in {}", counted(self.slates, "slate"), counted(self.parts as u64, "part"))
    }

    /// For the summary line.
    fn text(&self) -> String {
        let mut text = format!("; {}", self.held());
        if self.resumed_parts > 0 {
            text += &format!(", {} in {} from before", self.resumed_slates, self.resumed_parts);
        }
        if self.remade_parts > 0 {
            text += &format!(", {} made again", self.remade_parts);
        }
        if self.other_engine_parts > 0 {
            text += &format!(", {} by the CPU after the GPU had failed", self.other_engine_parts);
        }
        text
    }
}

impl Summary {
    /// Counts what was ranked.
    pub fn count(&mut self, slates: &[Slate], ranked: &[RankedSlate]) {
        self.slates += slates.len() as u64;
        for (slate, ranked) in slates.iter().zip(ranked) {
            self.positions += ranked.placements.len() as u64;
            self.filtered_candidates += u64::from(ranked.n_filtered);
            let stands = |pin: &Pin| ranked.placements.get(pin.position as usize).is_some_and(|p| p.item == pin.item);
            self.pins_not_kept += slate.pinned.iter().filter(|pin| !stands(pin)).count() as u64;
            self.rank_exhausted_slates += u64::from(ranked.rank_exhausted_at.is_some());
            if ranked.is_short {
                self.short_slates += 1;
                self.first_short.get_or_insert_with(|| slate.id.clone());
            }
        }
    }

    /// What a folder holds now, all parts of it.
    pub fn add_parts(&mut self, parts: Option<Vec<Part>>, before: &Before) {
        self.folder = parts.map(|parts| FolderSummary {
            parts: parts.len(),
            slates: parts.iter().map(|part| part.slates).sum(),
            resumed_parts: before.parts,
            resumed_slates: before.slates,
            remade_parts: before.lost.len(),
            was_complete: before.was_complete,
            verify_seconds: before.verifying.as_secs_f64(),
            other_engine_parts: parts.iter().filter(|part| part.engine.is_some()).count(),
        });
    }

    /// How long it took, and how much of that the engine.
    pub fn time(&mut self, whole: Duration, in_engine: Duration) {
        (self.seconds, self.engine_seconds) = (whole.as_secs_f64(), in_engine.as_secs_f64());
        self.slates_per_s = self.slates as f64 / self.seconds.max(1e-9);
        self.engine_slates_per_s = self.slates as f64 / self.engine_seconds.max(1e-9);
    }

    /// What was not ranked, for the summary line.
    fn left_out(&self) -> String {
        let mut text = String::new();
        if self.filtered_candidates > 0 {
            text += &format!(", {} filtered", counted(self.filtered_candidates, "candidate"));
        }
        if let Some(first) = &self.first_short {
            text += &format!(", {} short of candidates (first: \"{}\")", self.short_slates, first.escape_debug());
        }
        if self.pins_not_kept > 0 {
            text += &format!(", pins not kept: {}", self.pins_not_kept);
        }
        if self.rank_exhausted_slates > 0 {
            text += &format!(", {} ran out of rank", self.rank_exhausted_slates);
        }
        text
    }
}

/// Prints the summary, on the stream that the output does not take.
pub fn report(flags: &Rerank, summary: &Summary) -> Result<(), Failure> {
    if flags.json {
        let text = serde_json::json!(summary);
        if flags.output.as_os_str() != "-" {
            return terminal::print(format_args!("{text}\n"));
        }
        terminal::tell(format_args!("{text}"));
    } else if let Some(folder) = summary.folder.as_ref().filter(|folder| folder.was_complete && !flags.quiet) {
        let (output, held) = (flags.output.display(), folder.held());
        terminal::tell(format_args!("{output}: complete already: {held}, verified in {:.2} s", folder.verify_seconds));
    } else if !flags.quiet {
        for missing in &summary.missing {
            terminal::tell(format_args!("spectrank: {missing}"));
        }
        let peak = summary.peak_memory_bytes.map_or(String::new(), |peak| format!(", peak memory {}", size_text(peak)));
        terminal::tell(format_args!(
            "{}, {}{} in {:.2} s: {:.0} slates/s ({:.0} in the engine: {}){peak}{}",
            counted(summary.slates, "slate"),
            counted(summary.positions, "position"),
            summary.left_out(),
            summary.seconds,
            summary.slates_per_s,
            summary.engine_slates_per_s,
            summary.engine,
            summary.folder.as_ref().map(FolderSummary::text).unwrap_or_default()
        ));
    }
    Ok(())
}
