//! Every setting over every slate.

use toml::Value;

use super::front::{Place, front, most_diverse};
use super::grid::{Family, Setting, is_whole, whole};
use super::result::{Choice, FamilyResult, Point, TuneResult};
use super::value;
use super::vary::{Scale, VaryError};
use crate::config::Config;
use crate::evaluate::{EvaluateError, Measure, Reference, Table, prepare, refer};
use crate::metrics::Better;
use crate::parity::random::Random;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{RankedSlate, Slate};

/// Crossings that are refined, for each parameter with a range.
const MOST_CROSSINGS: usize = 3;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneRequest {
    /// Key of the metric that settings are judged by, beside relevance kept.
    pub metric: String,
    /// Share of the relevance that is to be kept.
    pub keep: f64,
    /// Share of the slates that is held out, 0 for none.
    pub holdout: f64,
    /// Seed that says which.
    pub seed: u64,
    /// Steps of bisection per parameter with a range, at each of up to three crossings of the wanted relevance; 0 leaves it
    /// at the grid.
    pub n_refine: usize,
}

impl Default for TuneRequest {
    fn default() -> Self {
        Self { metric: "ild@10".to_owned(), keep: 0.98, holdout: 0.0, seed: 7, n_refine: 4 }
    }
}

/// Why a sweep could not be run. `E` is the error of the caller's engine.
#[derive(Debug, thiserror::Error)]
pub enum TuneError<E> {
    /// Settings or slates that cannot be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError<E>),
    /// A step of the refinement that is no valid configuration.
    #[error(transparent)]
    Vary(#[from] VaryError),
    /// A metric that is not measured, or that says nothing about better or worse.
    #[error("--metric \"{metric}\": settings can be judged by {known}")]
    Metric {
        /// The metric asked for.
        metric: String,
        /// What there is.
        known: String,
    },
    /// All slates held out.
    #[error("--holdout {holdout}: of {n_slates} slates none is left to tune on: hold out fewer, or pass more slates")]
    NothingLeft {
        /// Share held out.
        holdout: f64,
        /// Slates.
        n_slates: usize,
    },
}

/// Runs every setting, finds the front and the choices, refines them, and holds them against the slates held out.
///
/// Slates stay in memory, with about 50 bytes per candidate. `rerank` composes slates for a problem; it is called once per
/// setting, with all slates.
///
/// # Errors
/// The caller's, a metric that is not there, slates or settings that are not valid.
pub fn run<E>(
    families: &[Family],
    settings: Vec<Setting>,
    request: &TuneRequest,
    measure: &Measure,
    slates: Vec<Slate>,
    rerank: impl FnMut(&Problem, &[PreparedSlate]) -> Result<Vec<RankedSlate>, E>,
) -> Result<TuneResult, TuneError<E>> {
    check_metric(measure, request)?;
    if slates.is_empty() {
        return Err(EvaluateError::NoSlates("tune on").into());
    }
    let (tuning, holdout) = split(slates, request)?;
    let mut runner = Runner { measure, rerank };
    let tuning = Set::new(measure, tuning)?;
    let mut result = TuneResult {
        metrics: measure.metrics().to_vec(),
        metric: request.metric.clone(),
        keep: request.keep,
        n_slates: tuning.slates.len(),
        n_holdout_slates: holdout.len(),
        points: Vec::with_capacity(settings.len()),
        families: Vec::new(),
        best: None,
    };
    for setting in settings {
        let family = &families[setting.family];
        let means = runner.means(&family.describe(&setting.values), &setting.config, &tuning)?;
        result.add(family, setting.family, setting.values, means, false);
    }
    for (index, family) in families.iter().enumerate() {
        for parameter in 0..family.parameters.len() {
            refine(&mut runner, &mut result, family, index, parameter, request.n_refine, &tuning)?;
        }
    }
    let sign = result.sign();
    let places: Vec<Place> = result.points.iter().map(|p| p.place(sign)).collect();
    for (point, is_on_front) in result.points.iter_mut().zip(front(&places)) {
        point.is_on_front = is_on_front;
    }
    let holdout = Set::new(measure, holdout)?;
    for (index, family) in families.iter().enumerate() {
        let own = |i: usize| result.points[i].family == index;
        let most_kept = (0..places.len()).filter(|&i| own(i)).filter_map(|i| result.points[i].relevance_kept);
        let most_kept = most_kept.max_by(f64::total_cmp);
        let choice = match result.choice_of(index) {
            Some(point) => Some(choose(&mut runner, &result, family, point, &holdout)?),
            None => None,
        };
        let strategy = family.base.strategy;
        result.families.push(FamilyResult { name: family.name.clone(), strategy, choice, most_kept });
    }
    let chosen: Vec<Place> =
        (0..families.len()).map(|i| result.chosen(i).and_then(|point| point.place(sign))).collect();
    result.best = most_diverse(&chosen, f64::NEG_INFINITY);
    Ok(result)
}

fn check_metric<E>(measure: &Measure, request: &TuneRequest) -> Result<(), TuneError<E>> {
    let judges =
        |metric: &&crate::evaluate::MetricInfo| metric.better != Better::Neither && metric.key != "relevance_kept";
    if measure.metrics().iter().filter(judges).any(|metric| metric.key == request.metric) {
        return Ok(());
    }
    let known: Vec<&str> = measure.metrics().iter().filter(judges).map(|metric| metric.key.as_str()).collect();
    Err(TuneError::Metric { metric: request.metric.clone(), known: known.join(", ") })
}

/// Slates to tune on and slates held out, each in the order of the file.
fn split<E>(slates: Vec<Slate>, request: &TuneRequest) -> Result<(Vec<Slate>, Vec<Slate>), TuneError<E>> {
    let n_slates = slates.len();
    let n_holdout = (n_slates as f64 * request.holdout).round() as usize;
    if n_holdout >= n_slates {
        return Err(TuneError::NothingLeft { holdout: request.holdout, n_slates });
    }
    let mut is_held_out = vec![false; n_slates];
    for index in Random(request.seed).distinct(n_holdout, n_slates) {
        is_held_out[index as usize] = true;
    }
    let mut flags = is_held_out.into_iter();
    let (holdout, tuning) = slates.into_iter().partition(|_| flags.next() == Some(true));
    Ok((tuning, holdout))
}

/// Slates as everyone sees them.
struct Set {
    slates: Vec<Slate>,
    references: Vec<Reference>,
}

impl Set {
    fn new<E>(measure: &Measure, slates: Vec<Slate>) -> Result<Self, EvaluateError<E>> {
        let references = refer(measure, &slates)
            .map_err(|error| EvaluateError::Slate { name: "as the measure sees it".to_owned(), error })?;
        Ok(Self { slates, references })
    }
}

/// Runs settings.
struct Runner<'m, 'c, F> {
    measure: &'m Measure<'c>,
    rerank: F,
}

impl<F> Runner<'_, '_, F> {
    /// Means of all metrics for one configuration.
    fn means<E>(&mut self, name: &str, config: &Config, set: &Set) -> Result<Vec<Option<f64>>, EvaluateError<E>>
    where
        F: FnMut(&Problem, &[PreparedSlate]) -> Result<Vec<RankedSlate>, E>,
    {
        let name = || if name.is_empty() { config.strategy.name().to_owned() } else { name.to_owned() };
        let problem = Problem::sharing(config, self.measure.problem())
            .map_err(|error| EvaluateError::Problem { name: name(), error })?;
        let prepared = prepare(&problem, &set.slates).map_err(|error| EvaluateError::Slate { name: name(), error })?;
        let ranked = (self.rerank)(&problem, &prepared).map_err(EvaluateError::Caller)?;
        let rows = self.measure.judge_all(&set.references, &ranked).map_err(|(at, what)| EvaluateError::BadResult {
            name: name(),
            slate: set.slates.get(at).map_or_else(String::new, |slate| slate.id.clone()),
            what,
        })?;
        let mut table = Table::new(self.measure.metrics().len());
        table.extend(rows);
        Ok(table.means().into_iter().map(|mean| mean.mean).collect())
    }
}

impl TuneResult {
    /// Adds a point and gives its index.
    fn add(
        &mut self,
        family: &Family,
        index: usize,
        values: Vec<Value>,
        means: Vec<Option<f64>>,
        is_refined: bool,
    ) -> usize {
        let at = |key: &str| self.metrics.iter().position(|m| m.key == key).and_then(|i| means[i]);
        let pairs = family.parameters.iter().zip(&values);
        let setting = pairs.flat_map(|(p, v)| p.paths.iter().map(|path| (path.clone(), v.clone()))).collect();
        let point = Point {
            family: index,
            setting,
            label: family.describe(&values),
            relevance_kept: at("relevance_kept"),
            diversity: at(&self.metric),
            is_on_front: false,
            is_refined,
            means,
            values,
        };
        self.points.push(point);
        self.points.len() - 1
    }

    /// The most diverse point of a family that keeps what is wanted.
    fn choice_of(&self, family: usize) -> Option<usize> {
        let sign = self.sign();
        let place = |p: &Point| p.place(sign).filter(|_| p.family == family);
        let places: Vec<Place> = self.points.iter().map(place).collect();
        most_diverse(&places, self.keep)
    }

    /// The points that differ from one in one parameter alone, on either side of it: the nearest below, the nearest above.
    fn neighbours(&self, point: usize, parameter: usize) -> [Option<usize>; 2] {
        let here = &self.points[point];
        let Some(at) = number(&here.values[parameter]) else { return [None, None] };
        let is_like = |other: &Point| {
            other.family == here.family
                && other.values.iter().zip(&here.values).enumerate().all(|(i, (a, b))| i == parameter || a == b)
        };
        let others = || {
            let like = self.points.iter().enumerate().filter(|(_, other)| is_like(other));
            like.filter_map(|(i, other)| number(&other.values[parameter]).map(|x| (i, x)))
        };
        let below = others().filter(|&(_, x)| x < at).max_by(|a, b| a.1.total_cmp(&b.1));
        let above = others().filter(|&(_, x)| x > at).min_by(|a, b| a.1.total_cmp(&b.1));
        [below, above].map(|neighbour| neighbour.map(|(i, _)| i))
    }

    /// Where settings of a family cross the wanted relevance along a parameter: pairs of neighbours, of which the first keeps
    /// enough and the second, more diverse, too little. First where most diversity is to be expected at the crossing.
    fn crossings(&self, family: usize, parameter: usize) -> Vec<(usize, usize)> {
        let sign = self.sign();
        let crossing = |good: usize| {
            let (kept, diversity) = self.points[good].place(sign).filter(|&(kept, _)| kept >= self.keep)?;
            let bad = self.beyond(good, parameter)?;
            let (kept_beyond, diversity_beyond) = self.points[bad].place(sign)?;
            let share = (kept - self.keep) / (kept - kept_beyond);
            Some((diversity + share * (diversity_beyond - diversity), good, bad))
        };
        let own = (0..self.points.len()).filter(|&point| self.points[point].family == family);
        let mut crossings: Vec<(f64, usize, usize)> = own.filter_map(crossing).collect();
        // A stable sort: of equal promise the first setting.
        crossings.sort_by(|a, b| b.0.total_cmp(&a.0));
        crossings.into_iter().take(MOST_CROSSINGS).map(|(_, good, bad)| (good, bad)).collect()
    }

    /// The neighbour that is more diverse and keeps too little: what is wanted ends between the two.
    fn beyond(&self, point: usize, parameter: usize) -> Option<usize> {
        let sign = self.sign();
        let here = self.points[point].place(sign)?;
        let is_beyond = |&i: &usize| {
            self.points[i].place(sign).is_some_and(|(kept, diversity)| kept < self.keep && diversity > here.1)
        };
        self.neighbours(point, parameter).into_iter().flatten().find(is_beyond)
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|x| x as f64))
}

/// Bisects one parameter where a family's settings cross the wanted relevance: a grid is too coarse to tell which of its lines
/// is the most diverse there.
fn refine<E, F>(
    runner: &mut Runner<'_, '_, F>,
    result: &mut TuneResult,
    family: &Family,
    index: usize,
    parameter: usize,
    n_steps: usize,
    set: &Set,
) -> Result<(), TuneError<E>>
where
    F: FnMut(&Problem, &[PreparedSlate]) -> Result<Vec<RankedSlate>, E>,
{
    let Some(scale) = family.parameters[parameter].scale else { return Ok(()) };
    for (mut good, mut bad) in result.crossings(index, parameter) {
        for _ in 0..n_steps {
            let ends = [good, bad].map(|i| result.points[i].values[parameter].clone());
            let Some(middle) = middle(&ends, scale, family, parameter) else { break };
            let mut values = result.points[good].values.clone();
            values[parameter] = middle;
            let means = runner.means(&family.describe(&values), &family.config(&values)?, set)?;
            let point = result.add(family, index, values, means, true);
            let keeps = result.points[point].relevance_kept.is_some_and(|kept| kept >= result.keep);
            *(if keeps { &mut good } else { &mut bad }) = point;
        }
    }
    Ok(())
}

/// What lies between two values; none where nothing does.
fn middle(ends: &[Value; 2], scale: Scale, family: &Family, parameter: usize) -> Option<Value> {
    let [a, b] = [number(&ends[0])?, number(&ends[1])?];
    let x = Value::Float(value::four_digits(scale.between(a, b, 0.5)));
    let tree = value::tree(&family.base).ok()?;
    let is_count = family.parameters[parameter].paths.iter().any(|path| is_whole(&tree, path));
    let x = if is_count { whole(&x) } else { x };
    (!ends.contains(&x)).then_some(x)
}

/// The choice of a family, held against the slates held out.
fn choose<E, F>(
    runner: &mut Runner<'_, '_, F>,
    result: &TuneResult,
    family: &Family,
    point: usize,
    holdout: &Set,
) -> Result<Choice, TuneError<E>>
where
    F: FnMut(&Problem, &[PreparedSlate]) -> Result<Vec<RankedSlate>, E>,
{
    let values = &result.points[point].values;
    let config = family.config(values)?;
    let means = match holdout.slates.is_empty() {
        true => None,
        false => Some(runner.means(&family.describe(values), &config, holdout)?),
    };
    let ends = (0..family.parameters.len()).filter(|&parameter| {
        let has_range = family.parameters[parameter].scale.is_some();
        let is_open = result.neighbours(point, parameter).contains(&None);
        has_range && is_open && result.beyond(point, parameter).is_none()
    });
    let ends_range_of = ends.map(|parameter| family.parameters[parameter].name()).collect();
    Ok(Choice { point, config: config.to_toml(), holdout: means, ends_range_of })
}
