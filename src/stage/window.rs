//! Which items the window holds, and in which slot.
//!
//! A slot is a row of the window's similarity matrix. An item keeps its slot while it stays in the window, so that
//! similarities and the eigensolver's basis carry over from one position to the next. The order of slots means nothing.

use std::collections::VecDeque;

use crate::stage::eigensolve::SIDE;

/// No item in this slot.
pub const EMPTY: u32 = u32::MAX;

/// The window of one slate: the last `behind` placed items (P) and the first `ahead` unplaced candidates (A).
#[derive(Debug, Default)]
pub struct Window {
    behind: usize,
    ahead: usize,
    /// Local index of the item in each slot, or [`EMPTY`].
    pub items: Vec<u32>,
    /// Step at which the item entered its slot; steps count positions from 1.
    pub entered: Vec<u32>,
    /// Index into the history of placed items where the slot holds one of P, [`EMPTY`] for A.
    pub placed_at: Vec<u32>,
    /// Slots in the order in which their items entered.
    by_entry: Vec<u32>,
    /// Slots of P, the oldest first.
    by_age: VecDeque<u32>,
    /// Number of items in A.
    n_ahead: usize,
    next_ahead: usize,
    last_step: u32,
    /// Candidates that enter A next, a few of them; none that would enter after the last position.
    pub upcoming: Vec<u32>,
}

impl Window {
    /// Empties the window; `last_step` is that of the slate's last position where it is asked who is upcoming, else 0.
    pub fn reset(&mut self, behind: usize, ahead: usize, last_step: u32) {
        self.last_step = last_step;
        (self.behind, self.ahead) = (behind, ahead);
        let size = behind + ahead;
        for slots in [&mut self.items, &mut self.entered, &mut self.placed_at] {
            slots.clear();
            slots.resize(size, EMPTY);
        }
        self.entered.fill(0);
        self.by_entry.clear();
        self.by_age.clear();
        self.n_ahead = 0;
        self.next_ahead = 0;
        self.upcoming.clear();
    }

    /// Takes in item `local`, the `n_placed`-th placed (0-based), at `step`; the oldest beyond `behind` leaves.
    pub fn place(&mut self, local: u32, n_placed: usize, step: u32) {
        if self.by_age.len() == self.behind
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.items[oldest as usize] = EMPTY;
            self.placed_at[oldest as usize] = EMPTY;
        }
        let in_a = self.items.iter().position(|&item| item == local);
        self.n_ahead -= usize::from(in_a.is_some());
        if let Some(slot) = in_a.or_else(|| self.enter(local, step)) {
            self.placed_at[slot] = n_placed as u32;
            self.by_age.push_back(slot as u32);
        }
    }

    /// Fills A with the best unplaced candidates; `is_out` tells who is placed or pinned.
    pub fn look_ahead(&mut self, n_candidates: usize, step: u32, is_out: impl Fn(usize) -> bool) {
        while self.n_ahead < self.ahead && self.next_ahead < n_candidates {
            let rank = self.next_ahead;
            self.next_ahead += 1;
            if !is_out(rank) {
                self.enter(rank as u32, step);
                self.n_ahead += 1;
            }
        }
        self.upcoming.clear();
        let n_left = self.last_step.saturating_sub(step) as usize;
        // Where filters take out nearly everybody, it is not looked for the few who are left.
        let end = n_candidates.min(self.next_ahead + 4 * SIDE);
        let ranks = (self.next_ahead..end).filter(|&rank| !is_out(rank)).map(|rank| rank as u32);
        self.upcoming.extend(ranks.take(n_left.min(SIDE - 1)));
    }

    fn enter(&mut self, local: u32, step: u32) -> Option<usize> {
        let slot = self.items.iter().position(|&item| item == EMPTY)?;
        self.items[slot] = local;
        self.entered[slot] = step;
        if let Some(at) = self.by_entry.iter().position(|&other| other == slot as u32) {
            self.by_entry.remove(at);
        }
        self.by_entry.push(slot as u32);
        Some(slot)
    }

    /// Occupied slots whose item entered after a step, the newest first.
    pub fn entered_since(&self, step: u32) -> impl Iterator<Item = usize> + Clone {
        let slots = self.by_entry.iter().rev().map(|&slot| slot as usize);
        slots.take_while(move |&slot| self.entered[slot] > step).filter(|&slot| self.items[slot] != EMPTY)
    }

    /// The rank at which A goes on: every unplaced candidate below it is in A.
    pub fn next_ahead(&self) -> usize {
        self.next_ahead
    }

    /// Number of slots.
    pub fn size(&self) -> usize {
        self.items.len()
    }

    /// True where the slot holds a placed item.
    pub fn is_behind(&self, slot: usize) -> bool {
        self.placed_at[slot] != EMPTY
    }

    /// Slots that hold nobody.
    pub fn empty(&self) -> impl Iterator<Item = usize> + Clone {
        // Mostly there is none, and nobody looks for it.
        let n_slots = if self.by_age.len() + self.n_ahead < self.items.len() { self.items.len() } else { 0 };
        (0..n_slots).filter(|&slot| self.items[slot] == EMPTY)
    }

    /// Slots of P, that of the newest first.
    pub fn placed_slots(&self) -> impl Iterator<Item = usize> {
        self.by_age.iter().rev().map(|&slot| slot as usize)
    }

    /// True where no placed item is in the window.
    pub fn has_no_history(&self) -> bool {
        self.by_age.is_empty()
    }

    /// True where the slot holds a candidate that is still to be placed.
    pub fn is_ahead(&self, slot: usize) -> bool {
        self.items[slot] != EMPTY && self.placed_at[slot] == EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leaves_and_its_slot_is_used_again() {
        let mut window = Window::default();
        window.reset(2, 0, 9);
        for (n, local) in [7, 3, 9].into_iter().enumerate() {
            window.place(local, n, n as u32 + 1);
        }
        assert_eq!(window.items, [9, 3]);
        assert_eq!(window.entered, [3, 2]);
        assert_eq!(window.placed_at, [2, 1]);
        assert_eq!(window.entered_since(1).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(window.entered_since(2).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_placed_item_keeps_the_slot_it_had_ahead() {
        let mut window = Window::default();
        window.reset(1, 2, 3);
        window.look_ahead(4, 1, |_| false);
        assert_eq!(window.items, [0, 1, EMPTY]);
        assert_eq!(window.upcoming, [2, 3]);
        window.place(1, 0, 2);
        window.look_ahead(4, 2, |rank| rank == 1);
        assert_eq!(window.items, [0, 1, 2]);
        assert_eq!(window.upcoming, [3], "after step 2 there is one position left");
        assert!(window.is_behind(1) && window.is_ahead(0) && window.is_ahead(2));
        window.place(3, 1, 3);
        window.look_ahead(4, 3, |rank| rank == 1 || rank == 3);
        assert_eq!(window.items, [0, 3, 2], "rank 3 was placed from outside the window");
    }
}
