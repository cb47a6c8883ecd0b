//! Who wins a position where whole blocks of candidates can be bounded at once: a block is looked at where it could hold the winner, and
//! of its candidates those are scored that could be it, the most promising first (SPEC 8).

use std::cmp::Ordering;

use super::Run;
use super::scan::{hold, to_beat};
use crate::real::{BLOCK, Real, largest};
use crate::stage::select::Scored;
use crate::strategy::Looks;

/// So many candidates are found one by one; more are put in order first.
const FEW: usize = 16;

/// What utilities can at most be, by block of ranks.
#[derive(Debug, Default)]
pub struct Blocks<R> {
    /// Factor of base scores times base score by rank, minus infinity for who is out and beyond the last candidate.
    open: Vec<[R; BLOCK]>,
    /// The largest absolute value of those, by block.
    magnitudes: Vec<R>,
    /// The largest bound of a block when it was last looked at, and the step of that; 0 = never.
    known: Vec<R>,
    looked_at: Vec<u32>,
    /// This position's bounds of candidates, where their block was looked at.
    bounds: Vec<[R; BLOCK]>,
    /// The largest of those not yet scored; minus infinity where the block was not looked at.
    largest: Vec<R>,
    /// By block, no utility is larger at this position; minus infinity where the block was looked at.
    ceilings: Vec<R>,
    /// Growth since steps that were asked for at this position.
    growth: Vec<(u32, R)>,
    /// Blocks to look at.
    listed: Vec<u32>,
    /// Candidates to score: bounds and ranks.
    promising: Vec<(R, u32)>,
}

impl<R: Real> Blocks<R> {
    /// Forgets the last slate. `weighted_base` is by rank.
    pub fn reset(&mut self, weighted_base: &[R], is_out: &[bool]) {
        let n_blocks = weighted_base.len().div_ceil(BLOCK);
        self.open.clear();
        self.open.resize(n_blocks, [R::neg_infinity(); BLOCK]);
        let open = self.open.as_flattened_mut().iter_mut();
        for ((open, &base), &is_out) in open.zip(weighted_base).zip(is_out) {
            *open = if is_out { R::neg_infinity() } else { base };
        }
        let magnitude = |bases: &[R]| bases.iter().fold(R::zero(), |most, base| most.max(base.abs()));
        self.magnitudes.clear();
        self.magnitudes.extend(weighted_base.chunks(BLOCK).map(magnitude));
        self.known.resize(n_blocks, R::zero());
        self.looked_at.clear();
        self.looked_at.resize(n_blocks, 0);
        self.bounds.resize(n_blocks, [R::zero(); BLOCK]);
    }

    /// Takes a candidate out.
    pub fn take_out(&mut self, rank: usize) {
        if let Some(open) = self.open.as_flattened_mut().get_mut(rank) {
            *open = R::neg_infinity();
        }
    }

    /// The candidate with the largest bound of those looked at, if that is at least so much; it is taken for scored.
    fn take_most_promising(&mut self, least: R) -> Option<usize> {
        let most = largest(&self.largest);
        if most < least || most == R::neg_infinity() {
            return None;
        }
        let block = self.largest.iter().position(|&x| x == most)?;
        let lane = self.bounds[block].iter().position(|&x| x == most)?;
        self.bounds[block][lane] = R::neg_infinity();
        self.largest[block] = largest(&self.bounds[block]);
        Some(block * BLOCK + lane)
    }

    /// Lists candidates of the blocks looked at that have at least such a bound, the most promising first; nobody is listed twice.
    fn take_promising(&mut self, least: R) {
        self.promising.clear();
        for block in 0..self.largest.len() {
            if self.largest[block] >= least && self.largest[block] > R::neg_infinity() {
                let ranks = (block * BLOCK..).map(|rank| rank as u32);
                let bounds = self.bounds[block].iter().copied().zip(ranks);
                self.promising.extend(bounds.filter(|&(bound, _)| bound >= least && bound > R::neg_infinity()));
            }
            self.largest[block] = R::neg_infinity();
        }
        self.promising.sort_unstable_by(|(a, i), (b, j)| b.partial_cmp(a).unwrap_or(Ordering::Equal).then(i.cmp(j)));
    }
}

impl<R: Real> Run<'_, R> {
    /// The winner where blocks of candidates can be bounded.
    pub(super) fn best_by_blocks(&mut self, looks: Looks) -> Option<Scored<R>> {
        self.begin_blocks();
        match looks {
            Looks::Together => {
                // The winner has a bound of at least nearly so much. Who is forgotten here is looked at in the end.
                self.look_at_highest(R::neg_infinity());
                let least = largest(&self.blocks.largest);
                let Blocks { listed, ceilings, .. } = &mut self.blocks;
                let can_win = |ceiling: R| ceiling >= least && ceiling > R::neg_infinity();
                listed.extend((0..ceilings.len()).filter(|&block| can_win(ceilings[block])).map(|block| block as u32));
                self.look_at_listed();
            }
            Looks::OneByOne => while self.look_at_highest(largest(&self.blocks.largest)) {},
        }
        let mut best = None;
        loop {
            self.score_promising(&mut best);
            // Bounds may be above what they bound.
            if !self.look_at_highest(to_beat(best.as_ref())) {
                return best;
            }
        }
    }

    /// Scores candidates of the blocks looked at, as long as they can win. Who only could be equal may have the lower rank.
    fn score_promising(&mut self, best: &mut Option<Scored<R>>) {
        for _ in 0..FEW {
            let Some(rank) = self.blocks.take_most_promising(to_beat(best.as_ref())) else { return };
            hold(self.score(rank), best);
        }
        // Where caps and penalties hold bounds off, many are scored.
        self.blocks.take_promising(to_beat(best.as_ref()));
        for i in 0..self.blocks.promising.len() {
            let (bound, rank) = self.blocks.promising[i];
            if bound < to_beat(best.as_ref()) {
                break;
            }
            hold(self.score(rank as usize), best);
        }
    }

    /// Looks at the block with the highest ceiling of those that were not looked at, if that is at least so high.
    fn look_at_highest(&mut self, least: R) -> bool {
        let highest = largest(&self.blocks.ceilings);
        if highest < least || highest == R::neg_infinity() {
            return false;
        }
        let block = self.blocks.ceilings.iter().position(|&ceiling| ceiling == highest);
        self.blocks.listed.extend(block.map(|block| block as u32));
        self.look_at_listed();
        block.is_some()
    }

    /// Works out what the utilities of blocks are at most by what is known of them.
    fn begin_blocks(&mut self) {
        let Self { blocks, bounds, strategy, .. } = self;
        blocks.growth.clear();
        blocks.ceilings.clear();
        blocks.largest.clear();
        blocks.largest.resize(blocks.open.len(), R::neg_infinity());
        // Most blocks were last looked at together.
        let (mut since, mut growth) = (0, R::zero());
        for block in 0..blocks.open.len() {
            let of_rank = bounds.of_rank(block * BLOCK);
            let step = blocks.looked_at[block];
            if step == 0 {
                blocks.ceilings.push(of_rank);
                continue;
            }
            if step != since {
                let known = blocks.growth.iter().find(|&&(known, _)| known == step);
                growth = known.map_or_else(|| strategy.get().growth_since(step), |&(_, growth)| growth);
                since = step;
                blocks.growth.push((step, growth));
            }
            // Base scores and terms of any size may cancel where they are rounded.
            let rounding = R::of(4.0) * R::epsilon() * (blocks.magnitudes[block] + bounds.most_diversity());
            let grown = blocks.known[block] + growth + rounding;
            blocks.ceilings.push(if grown < of_rank { grown } else { of_rank });
        }
    }

    /// Bounds the candidates of the listed blocks.
    fn look_at_listed(&mut self) {
        let Self { blocks, strategy, slots, .. } = self;
        if let Some(most) = strategy.get().most_of_blocks(slots, &blocks.listed) {
            R::bound(most, &blocks.listed, &blocks.open, &mut blocks.bounds, &mut blocks.largest);
        }
        for &block in &blocks.listed {
            blocks.known[block as usize] = blocks.largest[block as usize];
            blocks.looked_at[block as usize] = slots.step;
            blocks.ceilings[block as usize] = R::neg_infinity();
        }
        blocks.listed.clear();
    }
}
