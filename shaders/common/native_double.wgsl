// Numbers of double precision as the device has them; double.wgsl says what for, and has the same functions for all others.

alias Double = f64;

fn double(x: f32) -> Double {
    return f64(x);
}

// The nearest number of single precision.
fn single(x: Double) -> f32 {
    return f32(x);
}

// As a pair of f32, high and low, which have 48 of the 53 bits, and back.
fn pair_of(x: Double) -> vec2<f32> {
    let high = f32(x);
    return vec2<f32>(high, f32(x - f64(high)));
}

fn of_pair(pair: vec2<f32>) -> Double {
    return f64(pair.x) + f64(pair.y);
}

// As two words, and back, to the bit.
fn words_of(x: Double) -> vec2<u32> {
    let bits = bitcast<u64>(x);
    return vec2<u32>(u32(bits & 0xfffffffflu), u32(bits >> 32u));
}

fn of_words(words: vec2<u32>) -> Double {
    return bitcast<f64>(u64(words.x) | (u64(words.y) << 32u));
}

// a + b
fn add(a: Double, b: Double) -> Double {
    return a + b;
}

// sum + a * b, to be settled when all of a sum is added.
fn accumulate(sum: Double, a: Double, b: Double) -> Double {
    return sum + a * b;
}

fn settled(sum: Double) -> Double {
    return sum;
}

// sum + a * b
fn multiply_add(sum: Double, a: Double, b: Double) -> Double {
    return sum + a * b;
}

// a * b
fn times(a: Double, b: Double) -> Double {
    return a * b;
}

// 1 / sqrt(x)
fn inverse_root(x: Double) -> Double {
    // As in double.wgsl, for no API promises a root of a double: one step of Newton's method.
    let guess = f64(1.0 / sqrt(f32(x)));
    let left = x * (guess * guess) - 1.0;
    return guess - 0.5 * guess * left;
}

fn total(sums: Sums) -> Double {
    var sum = of_pair(vec2<f32>(sums.high.x, sums.low.x));
    for (var i = 1u; i < 4u; i += 1u) {
        sum += of_pair(vec2<f32>(sums.high[i], sums.low[i]));
    }
    return sum;
}
