//! From rows to whole numbers, and their products: loops that are compiled for the processor at hand.

use multiversion::multiversion;

use crate::real::{BLOCK, LANES, Lanes};

/// Dimensions that are multiplied and added up at once.
pub const FOUR: usize = 4;
/// Quads in a piece of a row.
pub const QUADS: usize = LANES / FOUR;
/// The largest whole number.
pub const MOST: f32 = 127.0;
/// Added to the whole numbers of rows, so that none is negative: processors multiply numbers without a sign by numbers with one.
pub const CENTRE: i32 = 128;

/// Four dimensions of every candidate of a block, [`CENTRE`] added.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Quad(pub [[u8; FOUR]; BLOCK]);

/// What became of a row.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rounded {
    /// Sum of the whole numbers.
    pub sum: i32,
    /// Squared length of the whole numbers.
    pub squared_length: f64,
    /// Squared length of what was lost.
    pub squared_error: f64,
}

/// A row that sketches are multiplied with, beside its whole numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measures {
    /// b.
    pub scale: f32,
    /// What [`CENTRE`] adds to every product.
    pub centre: i32,
    /// ‖b r‖, rounded up.
    pub length: f32,
    /// ‖ρ‖ times the longest row, rounded up.
    pub error: f32,
}

/// Added to a number between −2²¹ and 2²¹ in single precision, it leaves the nearest whole number as the last digits of the sum.
const ROUNDS_F32: f32 = (3 << 22) as f32;
/// The same in double precision, between −2⁵⁰ and 2⁵⁰.
const ROUNDS_F64: f64 = (3_u64 << 51) as f64;

/// Half of the lanes and the other half, until one is left: so that few wait for each other.
#[inline(always)]
fn fold<T: Copy>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = combine(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

macro_rules! largest {
    ($name:ident, $type:ty) => {
        /// Largest absolute value.
        #[multiversion(targets = "simd")]
        pub fn $name(row: &[Lanes<$type>]) -> $type {
            let mut largest = [0.0; LANES];
            for piece in row {
                for (largest, x) in largest.iter_mut().zip(&piece.0) {
                    let x = x.abs();
                    *largest = if x > *largest { x } else { *largest };
                }
            }
            fold(largest, |a, b| if b > a { b } else { a })
        }
    };
}

largest!(largest_f32, f32);
largest!(largest_f64, f64);

/// Writes the whole numbers next to `scale` times a row as one candidate's into `quads`; the squared length of what is lost, in
/// whole numbers.
#[multiversion(targets = "simd")]
pub fn round_f32(row: &[Lanes<f32>], scale: f32, quads: &mut [Quad], lane: usize) -> f32 {
    let mut squared_errors = [0.0; LANES];
    for (piece, quads) in row.iter().zip(quads.as_chunks_mut::<QUADS>().0) {
        let mut bytes = [0; LANES];
        for i in 0..LANES {
            let x = piece.0[i] * scale;
            let shifted = x + ROUNDS_F32;
            let lost = x - (shifted - ROUNDS_F32);
            squared_errors[i] += lost * lost;
            bytes[i] = (shifted.to_bits() as u8).wrapping_add(CENTRE as u8);
        }
        for (quad, &four) in quads.iter_mut().zip(bytes.as_chunks().0) {
            quad.0[lane] = four;
        }
    }
    fold(squared_errors, |a, b| a + b)
}

/// Writes the whole numbers next to `scale` times a row.
#[multiversion(targets = "simd")]
pub fn round_f64(row: &[Lanes<f64>], scale: f64, whole: &mut [i8]) -> Rounded {
    let (mut sums, mut squared_lengths, mut squared_errors) = ([0_i32; LANES], [0.0; LANES], [0.0; LANES]);
    for (piece, whole) in row.iter().zip(whole.as_chunks_mut::<LANES>().0) {
        for i in 0..LANES {
            let x = piece.0[i] * scale;
            let shifted = x + ROUNDS_F64;
            let rounded = shifted - ROUNDS_F64;
            squared_errors[i] += (x - rounded) * (x - rounded);
            squared_lengths[i] += rounded * rounded;
            whole[i] = shifted.to_bits() as i8;
        }
        for (sum, &whole) in sums.iter_mut().zip(&*whole) {
            *sum += i32::from(whole);
        }
    }
    Rounded {
        sum: fold(sums, |a, b| a + b),
        squared_length: fold(squared_lengths, |a, b| a + b),
        squared_error: fold(squared_errors, |a, b| a + b),
    }
}

/// By place: what the products of candidates with a row are no smaller than, from those of their whole numbers.
#[multiversion(targets = "simd")]
pub fn lower_bounds(
    products: &[[i32; BLOCK]],
    places: &[u32],
    (scales, errors): (&[[f32; BLOCK]], &[[f32; BLOCK]]),
    row: Measures,
    bounds: &mut [[f32; BLOCK]],
) {
    for ((bounds, products), &place) in bounds.iter_mut().zip(products).zip(places) {
        let (scales, errors) = (&scales[place as usize], &errors[place as usize]);
        for lane in 0..BLOCK {
            let product = (products[lane] - row.centre) as f32 * (scales[lane] * row.scale);
            let error = errors[lane] * row.length + row.error;
            bounds[lane] = product - 4.0 * f32::EPSILON * product.abs() - error;
        }
    }
}

/// By place: sums of products of every candidate's numbers with those of a row, which are as many as its quads.
pub fn products(quads: &[Quad], places: &[u32], row: &[[i8; FOUR]], products: &mut Vec<[i32; BLOCK]>) {
    products.clear();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            // SAFETY: the processor has what the function needs.
            unsafe { x86::products_avx512(quads, places, row, products) };
            return;
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function needs.
            unsafe { x86::products_avx2(quads, places, row, products) };
            return;
        }
    }
    products_anywhere(quads, places, row, products);
}

#[multiversion(targets = "simd")]
fn products_anywhere(quads: &[Quad], places: &[u32], row: &[[i8; FOUR]], products: &mut Vec<[i32; BLOCK]>) {
    for &place in places {
        let mut sums = [0; BLOCK];
        for (quad, four) in quads[place as usize * row.len()..].iter().zip(row) {
            for (sum, own) in sums.iter_mut().zip(&quad.0) {
                *sum += (0..FOUR).map(|i| i32::from(own[i]) * i32::from(four[i])).sum::<i32>();
            }
        }
        products.push(sums);
    }
}

/// The same with instructions that are made for it, which no compiler finds in plain loops yet: a third and less of the time.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi32, _mm256_and_si256, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_set1_epi32,
        _mm256_setzero_si256, _mm256_srli_epi16, _mm512_add_epi32, _mm512_dpbusd_epi32, _mm512_set1_epi32,
        _mm512_setzero_si512,
    };

    use super::{BLOCK, FOUR, Quad};

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn products_avx512(quads: &[Quad], places: &[u32], row: &[[i8; FOUR]], products: &mut Vec<[i32; BLOCK]>) {
        const { assert!(size_of::<Quad>() == size_of::<__m512i>() && align_of::<Quad>() == align_of::<__m512i>()) };
        for &place in places {
            // Four sums, so that no addition waits for the one before. Rows are whole pieces, so that no quad is left over.
            let mut sums = [_mm512_setzero_si512(); FOUR];
            let quads = &quads[place as usize * row.len()..][..row.len()];
            for (quads, fours) in quads.as_chunks::<FOUR>().0.iter().zip(row.as_chunks::<FOUR>().0) {
                for i in 0..FOUR {
                    // SAFETY: a quad is as long as a register, lies as registers have to, and any bits are numbers.
                    let own = unsafe { *std::ptr::from_ref(&quads[i]).cast::<__m512i>() };
                    let four = _mm512_set1_epi32(i32::from_ne_bytes(fours[i].map(|x| x as u8)));
                    sums[i] = _mm512_dpbusd_epi32(sums[i], own, four);
                }
            }
            let sums = _mm512_add_epi32(_mm512_add_epi32(sums[0], sums[1]), _mm512_add_epi32(sums[2], sums[3]));
            // SAFETY: both are sixteen numbers of 32 bits, of which any bits will do.
            products.push(unsafe { std::mem::transmute::<__m512i, [i32; BLOCK]>(sums) });
        }
    }

    /// Bytes at even places and those at odd ones apart, as numbers of 16 bits.
    #[target_feature(enable = "avx2")]
    pub fn products_avx2(quads: &[Quad], places: &[u32], row: &[[i8; FOUR]], products: &mut Vec<[i32; BLOCK]>) {
        const { assert!(size_of::<Quad>() == 2 * size_of::<__m256i>() && align_of::<Quad>() >= align_of::<__m256i>()) };
        let low = _mm256_set1_epi16(0xff);
        for &place in places {
            let (mut even, mut odd) = ([_mm256_setzero_si256(); 2], [_mm256_setzero_si256(); 2]);
            let quads = &quads[place as usize * row.len()..][..row.len()];
            for (quad, four) in quads.iter().zip(row) {
                // Two numbers of 16 bits in one of 32.
                let two = |a: i8, b: i8| _mm256_set1_epi32(i32::from(a) & 0xffff | i32::from(b) << 16);
                let (even_of_row, odd_of_row) = (two(four[0], four[2]), two(four[1], four[3]));
                // SAFETY: a quad is as long as two registers, lies as they have to, and any bits are numbers.
                let own = unsafe { *std::ptr::from_ref(quad).cast::<[__m256i; 2]>() };
                for half in 0..2 {
                    let products = _mm256_madd_epi16(_mm256_and_si256(own[half], low), even_of_row);
                    even[half] = _mm256_add_epi32(even[half], products);
                    let products = _mm256_madd_epi16(_mm256_srli_epi16::<8>(own[half]), odd_of_row);
                    odd[half] = _mm256_add_epi32(odd[half], products);
                }
            }
            let sums = [_mm256_add_epi32(even[0], odd[0]), _mm256_add_epi32(even[1], odd[1])];
            // SAFETY: both are sixteen numbers of 32 bits, of which any bits will do.
            products.push(unsafe { std::mem::transmute::<[__m256i; 2], [i32; BLOCK]>(sums) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::random::Random;

    fn piece<T>(values: impl Fn(usize) -> T) -> Lanes<T> {
        Lanes(std::array::from_fn(values))
    }

    #[test]
    fn rows_are_rounded_to_the_nearest_whole_numbers() {
        let values = |i: usize| (i as f32 - 15.0) * 0.47;
        for lane in [0, 5, 15] {
            let mut quads = vec![Quad([[7; FOUR]; BLOCK]); 2 * QUADS];
            let lost = round_f32(&[piece(values), piece(|i| -values(i))], 10.0, &mut quads, lane);
            let mut expected = 0.0;
            for i in 0..2 * LANES {
                let x = 10.0 * values(i % LANES) * if i < LANES { 1.0 } else { -1.0 };
                let quad = &quads[i / FOUR];
                assert_eq!(i32::from(quad.0[lane][i % FOUR]) - CENTRE, x.round_ties_even() as i32, "{x}");
                assert_eq!(quad.0[(lane + 1) % BLOCK], [7; FOUR], "other candidates stay as they are");
                expected += (x - x.round_ties_even()).powi(2);
            }
            assert!((lost - expected).abs() < 1e-3, "{lost} {expected}");
        }
        let mut whole = [0; LANES];
        let rounded = round_f64(&[piece(|i| f64::from(values(i)))], 10.0, &mut whole);
        let exact = |i: usize| 10.0 * f64::from(values(i));
        assert!((0..LANES).all(|i| f64::from(whole[i]) == exact(i).round_ties_even()), "{whole:?}");
        assert_eq!(rounded.sum, whole.iter().map(|&x| i32::from(x)).sum::<i32>());
        assert_eq!(rounded.squared_length, whole.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>());
        let lost: f64 = (0..LANES).map(|i| (exact(i) - exact(i).round_ties_even()).powi(2)).sum();
        assert!((rounded.squared_error - lost).abs() < 1e-9);
    }

    #[test]
    fn products_are_the_same_numbers_on_every_processor() {
        let mut random = Random(5);
        let mut byte = || (256.0 * random.unit()) as u8;
        for n_quads in [QUADS, 3 * QUADS] {
            let quads: Vec<Quad> =
                (0..5 * n_quads).map(|_| Quad([[0; FOUR]; BLOCK].map(|four| four.map(|_| byte())))).collect();
            // Numbers of any size, and the largest there are.
            let mut row: Vec<[i8; FOUR]> = (0..n_quads).map(|_| [0; FOUR].map(|_: i32| byte() as i8)).collect();
            row[1] = [-128; FOUR];
            let (places, mut found, mut anywhere) = ([3, 0, 4], Vec::new(), Vec::new());
            products(&quads, &places, &row, &mut found);
            products_anywhere(&quads, &places, &row, &mut anywhere);
            assert_eq!(found, anywhere);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                let mut with_avx2 = Vec::new();
                // SAFETY: the processor has what the function needs.
                unsafe { x86::products_avx2(&quads, &places, &row, &mut with_avx2) };
                assert_eq!(with_avx2, anywhere);
            }
            for (products, place) in found.iter().zip(places) {
                for (lane, &product) in products.iter().enumerate() {
                    let own = quads[place as usize * n_quads..][..n_quads].iter().map(|quad| quad.0[lane]);
                    let pairs = own.zip(&row).flat_map(|(own, four)| own.into_iter().zip(four));
                    assert_eq!(product, pairs.map(|(x, &y)| i32::from(x) * i32::from(y)).sum::<i32>());
                }
            }
        }
    }
}
