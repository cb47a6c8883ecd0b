//! Every example of the guide runs on the demo's data and does what the guide says it does.
//!
//! Each check holds an example against the same configuration without the setting that it is about.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod candidates;
mod data;
mod guide;
mod scores;
mod spacing;

/// One test per example; the names are those of the files.
macro_rules! examples {
    ($($name:ident: $check:path),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { $check() })*
    };
}

examples! {
    spacing: spacing::sensitive_items_keep_apart,
    confidence: spacing::unsure_items_are_held_back_less,
    surfaces: spacing::each_surface_has_its_rule,
    semantic_id: spacing::shared_prefixes_keep_apart,
    cap: spacing::no_value_twice_in_five,
    hard_and_soft: spacing::caps_hold_and_spacing_gives_way,
    recent: spacing::the_next_page_goes_on,
    blend: scores::both_similarities_count,
    balance: scores::the_page_as_a_whole_is_varied,
    fresh: scores::adjusted_items_come_up,
    scale: scores::the_scale_of_scores_does_not_matter,
    ahead: scores::only_the_next_in_line_compete,
    pins: candidates::the_pinned_item_stands_at_its_position,
    seen: candidates::seen_items_are_gone,
    seen_bloom: candidates::a_bloom_filter_does_what_the_list_does,
    stock: candidates::only_items_that_pass_are_shown,
    missing: candidates::items_that_lack_something_go_or_count_as_nothing,
}
