//! Who wins a position where whole blocks of candidates can be bounded at once: a block is looked at where it could hold the winner, and
//! of its candidates those are scored that could be it, the most promising first (SPEC 8).

use super::Run;
use super::scan::hold;
use crate::real::{BLOCK, Real, largest};
use crate::stage::select::Scored;
use crate::strategy::Looks;

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

    /// The bound of the candidate that is most promising of those looked at and not scored, and its rank.
    fn most_promising(&self) -> Option<(usize, R)> {
        let most = largest(&self.largest);
        let block = self.largest.iter().position(|&x| x == most).filter(|_| most > R::neg_infinity())?;
        let lane = self.bounds[block].iter().position(|&x| x == most)?;
        Some((block * BLOCK + lane, most))
    }

    /// Says that a candidate was scored.
    fn take_scored(&mut self, rank: usize) {
        let bounds = &mut self.bounds[rank / BLOCK];
        bounds[rank % BLOCK] = R::neg_infinity();
        self.largest[rank / BLOCK] = largest(bounds);
    }
}

impl<R: Real> Run<'_, R> {
    /// The winner where blocks of candidates can be bounded.
    pub(super) fn best_by_blocks(&mut self, looks: Looks) -> Option<Scored<R>> {
        self.begin_blocks();
        let mut best = None;
        match looks {
            Looks::Together => {
                self.look_at_highest(R::neg_infinity());
                best = self.blocks.most_promising().map(|(rank, _)| self.score_of_block(rank));
                let least = to_beat(best.as_ref());
                let Blocks { listed, ceilings, .. } = &mut self.blocks;
                listed.extend((0..ceilings.len()).filter(|&block| ceilings[block] >= least).map(|block| block as u32));
                self.look_at_listed();
            }
            Looks::OneByOne => while self.look_at_highest(largest(&self.blocks.largest)) {},
        }
        loop {
            while let Some((rank, bound)) = self.blocks.most_promising() {
                // Who only could be equal may have the lower rank.
                if bound < to_beat(best.as_ref()) {
                    break;
                }
                hold(self.score_of_block(rank), &mut best);
            }
            // Bounds may be above what they bound.
            if !self.look_at_highest(to_beat(best.as_ref())) {
                return best;
            }
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

    fn score_of_block(&mut self, rank: usize) -> Scored<R> {
        self.blocks.take_scored(rank);
        self.score(rank)
    }

    /// Works out what the utilities of blocks are at most by what is known of them.
    fn begin_blocks(&mut self) {
        let Self { blocks, bounds, strategy, .. } = self;
        blocks.growth.clear();
        blocks.ceilings.clear();
        blocks.largest.clear();
        blocks.largest.resize(blocks.open.len(), R::neg_infinity());
        for block in 0..blocks.open.len() {
            let of_rank = bounds.of_rank(block * BLOCK);
            let step = blocks.looked_at[block];
            let ceiling = if step == 0 {
                of_rank
            } else {
                let growth = blocks.growth.iter().find(|&&(since, _)| since == step).map(|&(_, growth)| growth);
                let growth = growth.unwrap_or_else(|| {
                    let growth = strategy.get().growth_since(step);
                    blocks.growth.push((step, growth));
                    growth
                });
                // Base scores and terms of any size may cancel where they are rounded.
                let rounding = R::of(4.0) * R::epsilon() * (blocks.magnitudes[block] + bounds.most_diversity());
                (blocks.known[block] + growth + rounding).min(of_rank)
            };
            blocks.ceilings.push(ceiling);
        }
    }

    /// Bounds the candidates of the listed blocks.
    fn look_at_listed(&mut self) {
        let Self { blocks, strategy, slots, .. } = self;
        let most = strategy.get().most_of_blocks(slots, &blocks.listed);
        R::bound(most, &blocks.listed, &blocks.open, &mut blocks.bounds, &mut blocks.largest);
        for &block in &blocks.listed {
            blocks.known[block as usize] = blocks.largest[block as usize];
            blocks.looked_at[block as usize] = slots.step;
            blocks.ceilings[block as usize] = R::neg_infinity();
        }
        blocks.listed.clear();
    }
}

/// The utility that a candidate has to reach.
fn to_beat<R: Real>(best: Option<&Scored<R>>) -> R {
    best.filter(|best| best.excess == 0).map_or(R::neg_infinity(), |best| best.utility)
}
