//! Shaders without a GPU: they parse, validate, and lay their structs out as Rust does.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Module, TypeInner};
use spectrank::gpu::layout::{Dispatch, Params, SlateHeader};
use spectrank::gpu::shader;

fn module() -> Module {
    module_with(false)
}

fn module_with(has_doubles: bool) -> Module {
    let source = shader::source(has_doubles);
    naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&source)))
}

#[test]
fn the_fused_shader_validates() {
    // Half floats are read by `unpack2x16float`, which every Vulkan, Metal and Direct3D 12 adapter has.
    let usual = Capabilities::default() | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    for (has_doubles, more) in
        [(false, Capabilities::empty()), (true, Capabilities::FLOAT64 | Capabilities::SHADER_INT64)]
    {
        let module = module_with(has_doubles);
        let result = Validator::new(ValidationFlags::all(), usual | more).validate(&module);
        result.unwrap_or_else(|e| panic!("{}", e.emit_to_string(&shader::source(has_doubles))));
        assert!(module.entry_points.iter().any(|e| e.name == shader::ENTRY_POINT));
    }
}

#[test]
fn double_precision_has_the_same_functions_in_both_ways() {
    let functions = |has_doubles| {
        let mut names: Vec<String> =
            module_with(has_doubles).functions.iter().filter_map(|(_, f)| f.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(functions(false), functions(true));
}

#[test]
fn eight_storage_buffers_are_all_a_slate_needs() {
    let module = module();
    let storage = module
        .global_variables
        .iter()
        .filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. }) && v.binding.is_some());
    assert_eq!(storage.count(), 8, "every WebGPU adapter offers eight and no more");
}

/// (name, offset) of every member, and the size.
fn members(module: &Module, name: &str) -> (Vec<(String, usize)>, usize) {
    let (_, found) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).unwrap();
    let TypeInner::Struct { members, span } = &found.inner else { panic!("{name} is no struct") };
    let members = members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect();
    (members, *span as usize)
}

macro_rules! check_layout {
    ($type:ident: $($field:ident),+ $(,)?) => {{
        // Naming every field makes the compiler complain when one is added and not listed here.
        let $type { $($field: _),+ } = $type::default();
        let rust = vec![$((stringify!($field).to_owned(), std::mem::offset_of!($type, $field))),+];
        assert_eq!(members(&module(), stringify!($type)), (rust, size_of::<$type>()));
    }};
}

#[test]
fn structs_match_their_rust_twins() {
    check_layout!(
        Params: behind, ahead, slate_size, iterations, first_sweeps, is_window_scope, is_unit_loading,
        is_diagonal_coupling, is_slate_horizon, strength, epsilon, balance_strength, row_octets, rows_per_shard,
        n_signals, item_words, items_at, membership_at, codes_at, caps_at, n_rules, n_levels, n_caps, rules_at,
        semantic_weights_at, semantic_window, semantic_strength, prefix_penalty_at, cap_rules_at, decay_at,
        placement_words, fade_gone, fade_full, rest_octets, filter_at, hash_at, history_window, is_queue, is_product,
        catch_up, base_weight, diversity_weight, bias, most_diversity, cost, segments,
    );
    check_layout!(Dispatch: n_slates, budget, nonce, is_first, row_length, unknown_zero, pad_a, pad_b);
    check_layout!(
        SlateHeader: n_candidates, n_local, n_positions, active_rules, n_pins, rows_at, base_at, pins_at, state_at,
        output_at, status_at, active_filters, n_excluded, excluded_at, n_blocks, bloom_at,
    );
}

/// The control block in front of a slate's state holds the whole struct, word by word.
#[test]
fn the_control_block_has_room_for_its_struct() {
    assert_eq!(members(&module(), "Control").1, 4 * spectrank::gpu::layout::CONTROL_WORDS);
}
