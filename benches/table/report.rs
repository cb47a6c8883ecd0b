//! Rows as they were measured, as text and as JSON.

use serde::Serialize;

use crate::common::grouped;
use crate::common::machine::Machine;
use crate::rows::{Context, Spec, Target};

/// Utility that a peer may give away per position. Where few sweeps end depends on where they began, but one that gives away
/// more does other work.
const MOST_REGRET: f64 = 5e-3;
/// Threads that got less of the processors than this were kept waiting by other work.
const LEAST_SHARE: f64 = 0.9;

/// One side of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Name, version and kind.
    pub who: String,
    /// Median of the rounds.
    pub slates_per_s: f64,
    /// Each round.
    pub each_slates_per_s: Vec<f64>,
    /// Processor time, where it is known: less at the mercy of what else runs.
    pub cpu_ms_per_slate: Option<f64>,
    /// Processor time by wall time and threads: 1 where every thread could always work.
    pub share_of_threads: Option<f64>,
    /// Whether the target is about it.
    pub is_judged: bool,
    /// How far its picks are the reference's.
    pub agreement: Option<Agreement>,
}

/// A peer's picks, replayed on the f64 reference.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Agreement {
    /// Share of positions at which it picks what the reference would.
    pub equal_picks: f64,
    /// Utility given away per position.
    pub mean_regret: f64,
    /// The most given away at a position.
    pub worst_regret: f64,
}

/// What a row came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "is", content = "because", rename_all = "snake_case")]
pub enum Verdict {
    /// The target is reached.
    Reached,
    /// It is not.
    Missed,
    /// It was not measured, or not so that it could be judged.
    Open(String),
    /// An answer is wrong, or something broke.
    Failed(String),
}

/// One row, measured.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Name.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What it is held against.
    pub against: &'static str,
    /// The target in words.
    pub target: String,
    /// Ours.
    pub ours: Option<Figure>,
    /// The others'.
    pub peers: Vec<Figure>,
    /// What is held against the target: a ratio, a share, slates per second or seconds.
    pub value: Option<f64>,
    /// The same ratio of processor time per slate.
    pub cpu_ratio: Option<f64>,
    /// Reached or not.
    pub verdict: Verdict,
    /// What else is to be known.
    pub notes: Vec<String>,
    #[serde(skip)]
    limit: Target,
}

impl Row {
    /// A row without anything yet.
    pub fn new(spec: &Spec) -> Self {
        let target = match spec.target {
            Target::Times(times) => format!("{times:.0}×"),
            Target::Share(share) => format!("{:.0} %", 100.0 * share),
            Target::Rate(rate) => format!("{}/s", grouped(rate)),
            Target::Seconds(seconds) => format!("≤ {seconds} s"),
        };
        Self {
            name: spec.name,
            what: spec.what,
            against: spec.against,
            target,
            ours: None,
            peers: Vec::new(),
            value: None,
            cpu_ratio: None,
            verdict: Verdict::Open("not measured".to_owned()),
            notes: Vec::new(),
            limit: spec.target,
        }
    }

    /// A row that says why it could not be measured here.
    pub fn open(spec: &Spec, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Open(why.into()), ..Self::new(spec) }
    }

    /// A row in which something is wrong.
    pub fn failed(spec: &Spec, error: String) -> Self {
        Self { verdict: Verdict::Failed(error), ..Self::new(spec) }
    }

    /// Adds peers with what is known of their picks. One whose picks are none does not do the work, so it is not held against us.
    pub fn add_peers(
        &mut self,
        peers: Vec<(usize, Figure)>,
        mut agreement: impl FnMut(usize) -> Result<Agreement, String>,
    ) {
        for (variant, figure) in peers {
            match agreement(variant) {
                Ok(agreement) => self.peers.push(Figure { agreement: Some(agreement), ..figure }),
                Err(error) => self.notes.push(format!("{}: {error}", figure.who)),
            }
        }
        self.hold_against_peers();
    }

    /// Takes the peers' quickest judged figure for the ratio, and says what is to be known of the others.
    pub fn hold_against_peers(&mut self) {
        let judged = self.peers.iter().filter(|peer| peer.is_judged);
        let best = judged.max_by(|a, b| a.slates_per_s.total_cmp(&b.slates_per_s)).cloned();
        let (Some(ours), Some(best)) = (&self.ours, best) else { return };
        self.value = Some(ours.slates_per_s / best.slates_per_s);
        self.cpu_ratio = best.cpu_ms_per_slate.zip(ours.cpu_ms_per_slate).map(|(peer, ours)| peer / ours);
        for peer in &self.peers {
            if !peer.is_judged {
                let ratio = ours.slates_per_s / peer.slates_per_s;
                let (who, rate) = (&peer.who, grouped(peer.slates_per_s));
                self.notes.push(format!("beside {who} ({rate}/s): {}", times(ratio)));
            }
            if peer.agreement.is_some_and(|agreement| agreement.mean_regret > MOST_REGRET) {
                self.notes.push(format!("WARNING: {} does other work, so the ratio says nothing", peer.who));
            }
        }
    }

    /// Reached or not, by the value; open where it must not be judged.
    pub fn judge(mut self, context: &Context, must_not: Option<&str>) -> Self {
        let waited = self.ours.as_ref().and_then(|ours| ours.share_of_threads).filter(|&share| share < LEAST_SHARE);
        if let Some(share) = waited {
            self.notes.push(format!("busy: our threads got {:.0} % of the processors they wanted", 100.0 * share));
        }
        let Some(value) = self.value else { return self };
        let is_reached = match self.limit {
            Target::Times(limit) | Target::Share(limit) | Target::Rate(limit) => value >= limit,
            Target::Seconds(limit) => value <= limit,
        };
        // Threads that wait for each other, as the peers' do, are slowed more than those that do not. One thread waits for nobody,
        // and a start that is quick enough beside other work is so without.
        let is_disturbed = waited.is_some() || context.machine.is_busy();
        let is_swayed = match self.limit {
            Target::Seconds(_) => !is_reached,
            _ => context.machine.threads > 1,
        };
        self.verdict = match must_not {
            Some(why) => Verdict::Open(why.to_owned()),
            None if context.arguments.quick => Verdict::Open("--quick is too short to judge".to_owned()),
            None if is_disturbed && is_swayed => {
                Verdict::Open("the machine was busy: run again, or with --threads 1".to_owned())
            }
            None if is_reached => Verdict::Reached,
            None => Verdict::Missed,
        };
        self
    }

    fn cells(&self) -> [String; 7] {
        let dash = || "–".to_owned();
        let best = self.peers.iter().filter(|peer| peer.is_judged);
        let best = best.max_by(|a, b| a.slates_per_s.total_cmp(&b.slates_per_s));
        let value = self.value.map_or_else(dash, |value| match self.limit {
            Target::Times(_) => times(value),
            Target::Share(_) => format!("{:.0} %", 100.0 * value),
            Target::Rate(_) => format!("{}/s", grouped(value)),
            Target::Seconds(_) => format!("{value:.3} s"),
        });
        let verdict = match &self.verdict {
            Verdict::Reached => "reached".to_owned(),
            Verdict::Missed => "NOT REACHED".to_owned(),
            Verdict::Open(why) => format!("open: {why}"),
            Verdict::Failed(error) => format!("FAILED: {error}"),
        };
        [
            self.what.to_owned(),
            self.ours.as_ref().map_or_else(dash, |ours| format!("{}/s", grouped(ours.slates_per_s))),
            best.map_or_else(dash, |peer| format!("{}/s ({})", grouped(peer.slates_per_s), peer.who)),
            value,
            self.cpu_ratio.map_or_else(dash, times),
            self.target.clone(),
            verdict,
        ]
    }
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Seconds since 1970 when it was made.
    pub made_at_unix_s: u64,
    /// Where.
    pub machine: Machine,
    /// The GPU's name and driver, or why there is none.
    pub gpu: String,
    /// Whether this is the short form.
    pub is_quick: bool,
    /// Rounds of turns.
    pub rounds: usize,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Report {
    /// A report without rows.
    pub fn new(context: &Context) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let gpu = match &context.gpu {
            Ok(gpu) => {
                let about = &gpu.description;
                format!("{} ({}, {}, {} {})", about.name, about.kind, about.backend, about.driver, about.driver_info)
            }
            Err(why) => format!("none: {why}"),
        };
        Self {
            made_at_unix_s: since.map_or(0, |since| since.as_secs()),
            machine: context.machine.clone(),
            gpu,
            is_quick: context.arguments.quick,
            rounds: context.sizes.rounds,
            rows: Vec::new(),
        }
    }

    /// False where an answer was wrong.
    pub fn is_right(&self) -> bool {
        !self.rows.iter().any(|row| matches!(row.verdict, Verdict::Failed(_)))
    }

    /// What comes before the table.
    pub fn head(&self) -> String {
        let gpu = &self.gpu;
        format!(
            "{}GPU: {gpu}\nmedians of {} rounds in which ours and the peer take turns\n\n",
            self.machine.text(),
            self.rounds
        )
    }

    /// The table, in Markdown.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "| what | spectrank | best peer | ratio | of CPU time | target | |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            text += &format!("| {} |\n", row.cells().join(" | "));
        }
        text += "\n";
        for row in &self.rows {
            for peer in &row.peers {
                if let Some(Agreement { equal_picks, mean_regret, worst_regret }) = peer.agreement {
                    text += &format!(
                        "{}: {} picks as the reference at {:.1} % of positions; regret {mean_regret:.0e}, at most {worst_regret:.0e}\n",
                        row.name,
                        peer.who,
                        100.0 * equal_picks
                    );
                }
            }
            row.notes.iter().for_each(|note| text += &format!("{}: {note}\n", row.name));
        }
        text
    }
}

fn times(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}×") } else { format!("{ratio:.1}×") }
}
