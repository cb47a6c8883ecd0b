//! What the candidates of whole blocks are at most worth.

use multiversion::multiversion;

use super::Real;

/// Candidates of a block: a register of 512 bits holds one number of each.
pub const BLOCK: usize = 16;

/// What diversity terms of blocks are at most: `weight · (most − least)`, rounded in this order.
#[derive(Debug, Clone, Copy)]
pub struct MostOfBlocks<'a, R> {
    /// 0 or more.
    pub weight: R,
    /// The same for every candidate.
    pub most: f32,
    /// By candidate, a block for each that was asked for; numbers beyond the last candidate have no meaning.
    pub least: &'a [[f32; BLOCK]],
}

macro_rules! bound_blocks {
    ($bound:ident, $type:ty) => {
        #[multiversion(targets = "simd")]
        pub fn $bound(
            most: MostOfBlocks<'_, $type>,
            listed: &[u32],
            open: &[[$type; BLOCK]],
            bounds: &mut [[$type; BLOCK]],
            largest_of: &mut [$type],
        ) {
            for (&block, least) in listed.iter().zip(most.least) {
                let (bounds, open) = (&mut bounds[block as usize], &open[block as usize]);
                for lane in 0..BLOCK {
                    bounds[lane] = open[lane] + most.weight * <$type>::from(most.most - least[lane]);
                }
                largest_of[block as usize] = largest(bounds);
            }
        }
    };
}

bound_blocks!(bound_f32, f32);
bound_blocks!(bound_f64, f64);

/// The largest number of a few, found in several places side by side; minus infinity where there is none.
#[inline(always)]
pub fn largest<R: Real>(values: &[R]) -> R {
    let larger = |a: R, b: R| if b > a { b } else { a };
    let (groups, rest) = values.as_chunks::<8>();
    let mut most = [R::neg_infinity(); 8];
    for group in groups {
        for (most, &x) in most.iter_mut().zip(group) {
            *most = larger(*most, x);
        }
    }
    for half in [4, 2, 1] {
        for i in 0..half {
            most[i] = larger(most[i], most[i + half]);
        }
    }
    rest.iter().fold(most[0], |most, &x| larger(most, x))
}
