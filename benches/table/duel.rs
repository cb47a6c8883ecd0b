//! Ours and the peer's runs in turns, so that whatever else the machine does hits both.

use spectrank::parity;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{Placement, RankedSlate};

use crate::common::processor::{Took, timed};
use crate::peer::{Hello, Peer, Variant};
use crate::report::{Agreement, Figure};
use crate::rows::Context;

/// Sweeps of the eigensolver that leave no error (SPEC 4).
const EXACT_SWEEPS: usize = 200;
/// Slates whose picks are compared.
const MOST_COMPARED: usize = 16;

/// Runs of one side, each divided by its slates.
#[derive(Debug, Default)]
struct Runs(Vec<Took>);

impl Runs {
    fn add(&mut self, took: Took, n_slates: usize) {
        let n = n_slates as f64;
        self.0.push(Took { seconds: took.seconds / n, cpu_seconds: took.cpu_seconds.map(|seconds| seconds / n) });
    }

    fn figure(&self, who: String, threads: usize) -> Figure {
        let seconds: Vec<f64> = self.0.iter().map(|took| took.seconds).collect();
        let cpu: Option<Vec<f64>> = self.0.iter().map(|took| took.cpu_seconds).collect();
        let shares = self.0.iter().map(|took| took.cpu_seconds.map(|cpu| cpu / (took.seconds * threads as f64)));
        let shares: Option<Vec<f64>> = shares.collect();
        Figure {
            who,
            slates_per_s: 1.0 / crate::common::median(&seconds),
            each_slates_per_s: seconds.iter().map(|seconds| 1.0 / seconds).collect(),
            cpu_ms_per_slate: cpu.map(|cpu| 1e3 * crate::common::median(&cpu)),
            share_of_threads: shares.map(|shares| crate::common::median(&shares)),
            is_judged: true,
            agreement: None,
        }
    }
}

/// Our side: a call that does the work once, for so many slates.
pub struct Ours<'a> {
    /// Who.
    pub who: String,
    /// Slates of a call.
    pub n_slates: usize,
    /// Threads that work.
    pub threads: usize,
    /// The work.
    pub call: &'a mut dyn FnMut() -> Result<(), String>,
}

impl Ours<'_> {
    /// Calls in a run that is long enough to time, after one that warms up.
    pub fn calls_per_run(&mut self, context: &Context) -> Result<usize, String> {
        (self.call)()?;
        let (took, done) = timed(|| (self.call)());
        done?;
        Ok((context.sizes.shortest_run / took.seconds.max(1e-9)).ceil().clamp(1.0, 1e4) as usize)
    }

    fn run(&mut self, calls: usize) -> Result<Took, String> {
        let (took, done) = timed(|| (0..calls).try_for_each(|_| (self.call)()));
        done.map(|()| took)
    }
}

/// The peer's ways of doing it that are worth to be measured: of those judged the quickest exact one and the quickest other one by
/// a run each, and all that are not judged. What failed goes to the notes.
fn contenders(peer: &mut Peer, n_slates: usize, notes: &mut Vec<String>) -> Vec<usize> {
    let smallest = peer.hello.variants.iter().map(|variant| variant.batch).min().unwrap_or(1);
    let mut quickest: [Option<(usize, f64)>; 2] = [None, None];
    let mut others = Vec::new();
    for variant in 0..peer.hello.variants.len() {
        let Variant { batch, is_judged, is_exact, .. } = peer.hello.variants[variant];
        if batch > n_slates && batch > smallest {
            continue;
        }
        // Over a whole batch first: buffers are made and kernels compiled then.
        let warm_up = if batch == 1 { n_slates } else { batch.min(n_slates) };
        let answer = peer.run(variant, warm_up, false).and_then(|_| peer.run(variant, n_slates, false));
        let quickest = &mut quickest[usize::from(is_exact)];
        match answer {
            Err(error) => notes.push(format!("{} {}: {error}", peer.hello.peer, peer.hello.variants[variant].name)),
            Ok(_) if !is_judged => others.push(variant),
            Ok(answer) if quickest.is_none_or(|(_, seconds)| answer.seconds < seconds) => {
                *quickest = Some((variant, answer.seconds));
            }
            Ok(_) => {}
        }
    }
    quickest.into_iter().flatten().map(|(variant, _)| variant).chain(others).collect()
}

/// Ours and the peer in turns: our figure, and the peer's. Without a peer, ours alone.
pub fn duel(
    context: &Context,
    mut ours: Ours,
    peer: Option<(&mut Peer, usize)>,
    notes: &mut Vec<String>,
) -> Result<(Figure, Vec<(usize, Figure)>), String> {
    let calls = ours.calls_per_run(context)?;
    let (mut peer, n_peer_slates) = peer.map_or((None, 0), |(peer, n)| (Some(peer), n));
    let variants = peer.as_mut().map(|peer| contenders(peer, n_peer_slates, notes)).unwrap_or_default();
    let mut our_runs = Runs::default();
    let mut peer_runs: Vec<Runs> = variants.iter().map(|_| Runs::default()).collect();
    for _ in 0..context.sizes.rounds {
        our_runs.add(ours.run(calls)?, calls * ours.n_slates);
        let Some(peer) = peer.as_mut() else { continue };
        for (&variant, runs) in variants.iter().zip(&mut peer_runs) {
            let answer = peer.run(variant, n_peer_slates, false)?;
            // Work in processes below the peer's is not in its processor time.
            let is_whole = peer.hello.variants[variant].is_judged;
            let took = Took { seconds: answer.seconds, cpu_seconds: is_whole.then_some(answer.cpu_seconds) };
            runs.add(took, n_peer_slates);
        }
    }
    let our_figure = our_runs.figure(ours.who.clone(), ours.threads);
    let Some(peer) = peer else { return Ok((our_figure, Vec::new())) };
    let hello = &peer.hello;
    let figures = variants.iter().zip(&peer_runs).map(|(&variant, runs)| {
        let Hello { peer, version, device, .. } = hello;
        let name = format!("{peer} {version}, {device}, {}", hello.variants[variant].name);
        let is_judged = hello.variants[variant].is_judged;
        (variant, Figure { is_judged, ..runs.figure(name, context.machine.threads) })
    });
    Ok((our_figure, figures.collect()))
}

/// Does a peer do the same work? Its picks, replayed on the f64 reference; where it decomposes windows exactly, on a reference
/// that does so too.
pub fn agreement(
    problem: &Problem,
    slates: &[PreparedSlate],
    peer: &mut Peer,
    variant: usize,
) -> Result<Agreement, String> {
    let mut config = problem.config.clone();
    if peer.hello.variants[variant].is_exact {
        config.spectral.iterations = EXACT_SWEEPS;
    }
    let problem = &Problem::new(&config, problem.catalog).map_err(|error| error.to_string())?;
    let slates = &slates[..slates.len().min(MOST_COMPARED)];
    let picks = peer.run(variant, slates.len(), true)?.picks;
    let (mut n, mut n_equal, mut regret, mut worst) = (0, 0, 0.0, 0.0_f64);
    for (slate, picks) in slates.iter().zip(&picks) {
        let placement = |&candidate: &u32| {
            let rank = slate.candidate.iter().position(|&other| other == candidate)?;
            Some(Placement { candidate, item: slate.rows[rank], ..Placement::default() })
        };
        let placements: Option<Vec<Placement>> = picks.iter().map(placement).collect();
        let placements = placements.ok_or("the peer picked what is no candidate")?;
        let replay = parity::replay(problem, slate, &RankedSlate { placements, ..RankedSlate::default() });
        if replay.positions.len() != slate.n_positions(problem.config.slate_size) {
            return Err(format!("the peer placed {} items, or one twice", picks.len()));
        }
        for position in &replay.positions {
            n += 1;
            n_equal += usize::from(position.candidate == position.reference_candidate);
            regret += position.regret;
            worst = worst.max(position.regret);
        }
    }
    if picks.len() != slates.len() || n == 0 {
        return Err(format!("the peer ranked {} slates of {}", picks.len(), slates.len()));
    }
    Ok(Agreement { equal_picks: n_equal as f64 / n as f64, mean_regret: regret / n as f64, worst_regret: worst })
}
