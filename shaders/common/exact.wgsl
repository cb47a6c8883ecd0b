// Sums and products of single precision without error: as two f32, x = what is rounded and y = what rounding took. The methods are Knuth's sum and Dekker's product (Numerische Mathematik 18, 1971), or what a fused multiplication and
// addition gives at once where the device was seen to have one (src/gpu/fma.rs; WGSL allows `fma` to round twice). They
// rest on rounding errors that are zero on paper, which a compiler that reorders floating point may take for zero
// (Metal's relaxed math does). `pin` hides a value from it: an exclusive or with a number that is 0 and that no
// compiler can know.

var<private> unknown_zero: u32;

fn pin(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ unknown_zero);
}

fn pin4(x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4<u32>(unknown_zero));
}

// a + b, exactly.
fn two_sum(a: f32, b: f32) -> vec2<f32> {
    let sum = pin(a + b);
    let b_in_sum = pin(sum - a);
    let a_lost = pin(a - pin(sum - b_in_sum));
    let b_lost = pin(b - b_in_sum);
    return vec2<f32>(sum, pin(a_lost + b_lost));
}

// high + low as a number, where |high| >= |low|.
fn normalised(high: f32, low: f32) -> vec2<f32> {
    let sum = pin(high + low);
    return vec2<f32>(sum, pin(low - pin(sum - high)));
}

// The leading 12 of 24 bits: products of such halves are exact.
fn leading_half(x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) & vec4<u32>(0xfffff000u));
}

// What rounding took from product = a * b.
fn product_error(a: vec4<f32>, b: vec4<f32>, product: vec4<f32>) -> vec4<f32> {
    if IS_FMA_FUSED == 1u {
        return fma(a, b, -product);
    }
    let a_high = leading_half(a);
    let b_high = leading_half(b);
    let a_low = pin4(a - a_high);
    let b_low = pin4(b - b_high);
    let first = pin4(pin4(a_high * b_high) - product);
    let second = pin4(first + pin4(a_high * b_low));
    let third = pin4(second + pin4(a_low * b_high));
    return pin4(third + pin4(a_low * b_low));
}

// Four sums side by side.
struct Sums {
    high: vec4<f32>,
    low: vec4<f32>,
}

// sums + a * b, where `rest` is what a and b lack of the numbers meant. Products of f16 values need no correction.
fn add_products(sums: Sums, a: vec4<f32>, b: vec4<f32>, rest: vec4<f32>) -> Sums {
    let product = pin4(a * b);
    var error = rest;
    if IS_F16 == 0u {
        error += product_error(a, b, product);
    }
    let high = pin4(sums.high + product);
    let added = pin4(high - sums.high);
    let sum_lost = pin4(sums.high - pin4(high - added));
    let product_lost = pin4(product - added);
    return Sums(high, pin4(sums.low + (pin4(sum_lost + product_lost) + error)));
}
