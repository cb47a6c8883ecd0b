//! One slate on the reference, with a look at everyone who competed.

use super::spectra::Spectra;
use super::{Contender, Explanation, Listing, NamedItem, PositionExplanation, Term, Without};
use crate::catalog::{Catalog, Column, Value};
use crate::metrics::relevance_kept;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::run::Run;
use crate::slate::Slate;
use crate::stage::select::Scored;

/// Explains one slate. `prepared` is `slate` bound to `problem`; `labels` is a catalog column with readable names.
///
/// The slate is the one that the reference composes, to the last bit: the f64 CPU engine, with or without pruning.
pub fn explain(problem: &Problem, slate: &Slate, prepared: &PreparedSlate, labels: Option<&Column>) -> Explanation {
    let names = Names { catalog: problem.catalog, labels };
    let slate_size = problem.config.slate_size;
    let mut run = Run::<f64>::new(problem, false);
    run.begin(prepared);
    // Those that no filter takes out, by rank.
    let eligible: Vec<usize> = (0..prepared.n_candidates()).filter(|&rank| !run.is_gone(rank)).collect();
    let (n_filtered, base_weight) = (run.n_filtered(), run.base_weight());
    let (positions, rank_exhausted_at) = positions(&mut run, slate, &names);
    let rows: Vec<u32> = positions.iter().map(|at| at.chosen.item.row).collect();
    let base: Vec<f64> = positions.iter().map(|at| at.chosen.base).collect();
    Explanation {
        slate_id: slate.id.clone(),
        strategy: problem.config.strategy,
        n_candidates: prepared.n_candidates(),
        slate_size,
        n_filtered,
        base_weight,
        n_behind: problem.config.window.behind,
        terms: terms(&positions),
        before: Listing::new(
            problem,
            &names,
            &eligible.iter().map(|&rank| prepared.rows[rank]).take(rows.len()).collect::<Vec<u32>>(),
        ),
        after: Listing::new(problem, &names, &rows),
        rank_exhausted_at,
        relevance_kept: relevance_kept(&base, &eligible.iter().map(|&rank| prepared.base[rank]).collect::<Vec<f64>>()),
        positions,
    }
}

/// What items are called.
pub(super) struct Names<'a> {
    catalog: &'a Catalog,
    labels: Option<&'a Column>,
}

impl Names<'_> {
    pub(super) fn item(&self, row: u32) -> NamedItem {
        let label = self.labels.and_then(|column| match column.data.value(row as usize) {
            Value::Null => None,
            Value::Text(text) => Some(text),
            other => Some(other.to_string()),
        });
        NamedItem { row, id: self.catalog.id_of(row).into_owned(), label }
    }
}

/// Every position of a slate that was begun, and where its strategy ran out of rank.
fn positions(run: &mut Run<'_, f64>, slate: &Slate, names: &Names<'_>) -> (Vec<PositionExplanation>, Option<u32>) {
    let (problem, prepared) = (run.slots().problem, run.slots().slate);
    let mut is_open: Vec<bool> = (0..prepared.n_candidates()).map(|rank| !run.is_gone(rank)).collect();
    // Place by base score among those that no filter takes out.
    let places: Vec<usize> = is_open
        .iter()
        .scan(0, |n_before, &is_open| {
            let place = *n_before;
            *n_before += usize::from(is_open);
            Some(place)
        })
        .collect();
    for &(_, rank) in &prepared.pins {
        is_open[rank as usize] = false;
    }
    let (mut positions, mut rank_exhausted_at) = (Vec::new(), None);
    for position in 0..prepared.n_positions(problem.config.slate_size) {
        run.begin_position();
        let pinned = run.pinned(position);
        let mut field = Vec::new();
        for (rank, _) in is_open.iter().enumerate().filter(|&(_, &is_open)| is_open) {
            if run.competes(rank) {
                field.push(run.score(rank));
            }
        }
        let Some(chosen) = pinned.or_else(|| best(&field, |scored| *scored)) else { break };
        if pinned.is_none() && rank_exhausted_at.is_none() && run.is_out_of_rank(Some(chosen.rank), 1.0) {
            rank_exhausted_at = Some(position as u32);
        }
        let explainer = Explainer { problem, slate, prepared, names, run: &*run, field: &field, places: &places };
        positions.push(explainer.position(position, chosen, pinned.is_some()));
        is_open[chosen.rank] = false;
        run.place(chosen.rank);
    }
    (positions, rank_exhausted_at)
}

/// The winner of a field seen through `seen`, which may change what counts.
fn best(field: &[Scored<f64>], seen: impl Fn(&Scored<f64>) -> Scored<f64>) -> Option<Scored<f64>> {
    let mut best: Option<(Scored<f64>, Scored<f64>)> = None;
    for scored in field {
        let view = seen(scored);
        if best.as_ref().is_none_or(|(best, _)| view.beats(best)) {
            best = Some((view, *scored));
        }
    }
    best.map(|(_, scored)| scored)
}

/// Everything that one position's explanation needs.
struct Explainer<'e> {
    problem: &'e Problem<'e>,
    slate: &'e Slate,
    prepared: &'e PreparedSlate,
    names: &'e Names<'e>,
    run: &'e Run<'e, f64>,
    /// All who compete, the chosen one included unless it was pinned.
    field: &'e [Scored<f64>],
    /// By rank: place by base score among those that no filter takes out.
    places: &'e [usize],
}

impl Explainer<'_> {
    fn position(&self, position: usize, chosen: Scored<f64>, is_pinned: bool) -> PositionExplanation {
        let others: Vec<Scored<f64>> = self.field.iter().copied().filter(|other| other.rank != chosen.rank).collect();
        let runner_up = best(&others, |scored| *scored);
        let without = if is_pinned { self.without_pin(&chosen) } else { self.without_terms(chosen.rank) };
        let spectra = Spectra::of(self.run.slots(), self.run.spectral());
        let contender = |scored: &Scored<f64>| self.contender(scored, spectra.as_ref());
        let (chosen, runner_up) = (contender(&chosen), runner_up.as_ref().map(contender));
        let without = without.iter().map(|(term, scored)| Without { term: *term, winner: contender(scored) }).collect();
        PositionExplanation {
            position,
            n_competing: self.field.len(),
            lead: runner_up.as_ref().map(|runner_up| chosen.utility - runner_up.utility),
            chosen,
            runner_up,
            without,
            spectra: spectra.as_ref().map_or_else(Vec::new, |spectra| spectra.explain(self.names)),
        }
    }

    /// The best of the others, where they would have won against the pinned item.
    fn without_pin(&self, pinned: &Scored<f64>) -> Vec<(Term, Scored<f64>)> {
        let best = best(self.field, |scored| *scored).filter(|best| best.beats(pinned));
        best.map(|scored| (Term::Pin, scored)).into_iter().collect()
    }

    fn without_terms(&self, chosen: usize) -> Vec<(Term, Scored<f64>)> {
        let terms = Term::OF_UTILITY.into_iter().chain([Term::Cap]);
        let winner = |term| best(self.field, |scored| self.leave_out(scored, term)).map(|scored| (term, scored));
        terms.filter_map(winner).filter(|(_, scored)| scored.rank != chosen).collect()
    }

    /// A candidate as if the term were 0. The sum is formed anew, as [`Run::score`] forms it, so that a term which is 0
    /// anyway changes no bit.
    fn leave_out(&self, scored: &Scored<f64>, term: Term) -> Scored<f64> {
        let mut view = *scored;
        match term {
            Term::Diversity => view.diversity = 0.0,
            Term::Spacing => view.spacing = 0.0,
            Term::Semantic => view.semantic = 0.0,
            Term::Balance => view.balance = 0.0,
            Term::Cap => view.excess = 0,
            Term::Pin => {}
        }
        let base = self.run.base_weight() * self.prepared.base[view.rank];
        view.utility = base + view.diversity - view.spacing - view.semantic - view.balance;
        view
    }

    fn contender(&self, scored: &Scored<f64>, spectra: Option<&Spectra<'_>>) -> Contender {
        let candidate = self.prepared.candidate[scored.rank];
        let row = self.prepared.rows[scored.rank];
        Contender {
            item: self.names.item(row),
            candidate,
            rank: self.places[scored.rank],
            score: self.slate.scores[candidate as usize],
            base: self.prepared.base[scored.rank],
            utility: scored.utility,
            diversity: scored.diversity,
            spacing: scored.spacing,
            semantic: scored.semantic,
            balance: scored.balance,
            cap_excess: scored.excess,
            spectra: spectra.map_or_else(Vec::new, |spectra| spectra.shares(self.problem, row)),
        }
    }
}

/// Terms that say something somewhere.
fn terms(positions: &[PositionExplanation]) -> Vec<Term> {
    let contenders = positions.iter().flat_map(|at| {
        let rest = at.runner_up.iter().chain(at.without.iter().map(|without| &without.winner));
        std::iter::once(&at.chosen).chain(rest)
    });
    let is_used = |term: &Term| contenders.clone().any(|contender| contender.signed(*term) != 0.0);
    let decides = |term: &Term| positions.iter().any(|at| at.without.iter().any(|without| without.term == *term));
    let numbers = Term::OF_UTILITY.into_iter().filter(is_used);
    numbers.chain([Term::Cap, Term::Pin].into_iter().filter(decides)).collect()
}
