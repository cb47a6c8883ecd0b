// Numbers of about twice single precision, for the places where single precision is not enough: the window's
// similarity matrix and its eigensolve, and residuals (src/stage/{eigensolve,residual}.rs say why). Here for every device;
// native_double.wgsl has the same functions for devices that are quick in double precision (src/gpu/doubles.rs).
//
// A number is the unevaluated sum of two f32, x = high and y = low, with |low| at most half a unit of rounding of high.

alias Double = vec2<f32>;

fn double(x: f32) -> Double {
    return vec2<f32>(x, 0.0);
}

// The nearest number of single precision.
fn single(x: Double) -> f32 {
    return x.x;
}

// As a pair of f32, high and low, and back.
fn pair_of(x: Double) -> vec2<f32> {
    return x;
}

fn of_pair(pair: vec2<f32>) -> Double {
    return pair;
}

// As two words, and back, to the bit.
fn words_of(x: Double) -> vec2<u32> {
    return bitcast<vec2<u32>>(x);
}

fn of_words(words: vec2<u32>) -> Double {
    return bitcast<vec2<f32>>(words);
}

// a + b
fn add(a: Double, b: Double) -> Double {
    let high = two_sum(a.x, b.x);
    return normalised(high.x, pin(high.y + a.y) + b.y);
}

// sum + a * b, to be settled when all of a sum is added: `low` may have grown (Ogita, Rump, Oishi: Accurate sum and
// dot product, SIAM J. Sci. Comput. 26, 2005).
fn accumulate(sum: Double, a: Double, b: Double) -> Double {
    let product = pin(a.x * b.x);
    let error = product_error(vec4<f32>(a.x), vec4<f32>(b.x), vec4<f32>(product)).x;
    let high = two_sum(sum.x, product);
    return vec2<f32>(high.x, sum.y + (high.y + (error + (a.x * b.y + a.y * b.x))));
}

fn settled(sum: Double) -> Double {
    return normalised(sum.x, sum.y);
}

// sum + a * b
fn multiply_add(sum: Double, a: Double, b: Double) -> Double {
    return settled(accumulate(sum, a, b));
}

// a * b
fn times(a: Double, b: Double) -> Double {
    return multiply_add(double(0.0), a, b);
}

// 1 / sqrt(x)
fn inverse_root(x: Double) -> Double {
    // One step of Newton's method: what single precision leaves of 1 - x * guess^2 corrects the guess.
    let guess = 1.0 / sqrt(x.x);
    let left = multiply_add(double(-1.0), x, times(double(guess), double(guess)));
    return normalised(guess, -0.5 * guess * left.x);
}

fn total(sums: Sums) -> Double {
    var sum = vec2<f32>(sums.high.x, sums.low.x);
    for (var i = 1u; i < 4u; i += 1u) {
        sum = add(sum, vec2<f32>(sums.high[i], sums.low[i]));
    }
    return sum;
}
