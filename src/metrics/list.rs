//! Every metric by name: what help texts, tables and `docs/metrics.md` say about it.

use serde::Serialize;

/// Which way a metric is better, where that can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It describes, it does not judge.
    Neither,
}

/// One metric, or one for every window, class or level.
#[derive(Debug)]
pub struct Family {
    /// Key in JSON and on the command line; capitals stand for numbers or names, as in `ild@W`.
    pub key: &'static str,
    /// Name in tables.
    pub title: &'static str,
    /// Which way it is better.
    pub better: Better,
    /// What it is, and over what range.
    pub meaning: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// When it has no value.
    pub absent: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// All metrics, in the order of tables.
pub const FAMILIES: [Family; 16] = [
    Family {
        key: "relevance_kept",
        title: "relevance kept",
        better: Better::Higher,
        meaning: "share of the relevance that the slate kept; at most 1",
        formula: "Σ base(slate) / Σ base(as many of the best candidates)",
        absent: "the best sum is not positive",
        source: "score retention",
    },
    Family {
        key: "ndcg@K",
        title: "nDCG@K",
        better: Better::Higher,
        meaning: "relevance kept where earlier positions count more; 0 to 1",
        formula: "Σ_{t<K} max(base_t, 0) / log2(t+2), divided by that of the best order over as many positions",
        absent: "no candidate has a base score above 0",
        source: "Järvelin & Kekäläinen, TOIS 2002",
    },
    Family {
        key: "ilad",
        title: "mean distance (ILAD)",
        better: Better::Higher,
        meaning: "how unlike the items are on average; 0 to 2 with cosine",
        formula: "mean over all pairs of positions of 1 − S_ij",
        absent: "fewer than two positions",
        source: "Zhang & Hurley, RecSys 2008",
    },
    Family {
        key: "ilmd",
        title: "least distance (ILMD)",
        better: Better::Higher,
        meaning: "how unlike the two items most alike are; 0 to 2 with cosine",
        formula: "minimum over all pairs of positions of 1 − S_ij",
        absent: "fewer than two positions",
        source: "max-min diversification: Gollapudi & Sharma, WWW 2009",
    },
    Family {
        key: "ild@W",
        title: "distance to W before (ILD@W)",
        better: Better::Higher,
        meaning: "how new an item looks after what stands just before it; 0 to 2 with cosine",
        formula: "mean over positions t ≥ 1 of the mean of 1 − S_tj over the (at most) W items j just before",
        absent: "fewer than two positions",
        source: "intra-list distance (Ziegler et al., WWW 2005) over a sliding window",
    },
    Family {
        key: "largest_similarity@W",
        title: "largest similarity, W before",
        better: Better::Lower,
        meaning: "how near the nearest of the items just before comes; −1 to 1 with cosine",
        formula: "mean over positions t ≥ 1 of max S_tj over the (at most) W items j just before",
        absent: "fewer than two positions",
        source: "the term that MMR holds down: Carbonell & Goldstein, SIGIR 1998",
    },
    Family {
        key: "vendi",
        title: "Vendi score",
        better: Better::Higher,
        meaning: "how many different items the slate is worth; 1 to the number of positions",
        formula: "exp(−Σ p ln p), p the eigenvalues of the slate's similarity matrix divided by their sum",
        absent: "no positions, or nothing but zero rows",
        source: "Friedman & Dieng, TMLR 2023",
    },
    Family {
        key: "category_entropy",
        title: "category entropy",
        better: Better::Higher,
        meaning: "how evenly the slate spreads over categories; 0 to ln(categories), in nats",
        formula: "−Σ_c p_c ln p_c, p_c the share of category c among the items that have one",
        absent: "no item has a category",
        source: "Shannon entropy",
    },
    Family {
        key: "category_coverage",
        title: "category coverage",
        better: Better::Higher,
        meaning: "share of the candidates' categories that the slate shows; 0 to 1",
        formula: "categories in the slate / categories among its candidates",
        absent: "no candidate has a category",
        source: "subtopic recall: Zhai, Cohen & Lafferty, SIGIR 2003",
    },
    Family {
        key: "category_gini",
        title: "category Gini",
        better: Better::Lower,
        meaning: "how unevenly categories got positions; 0 (even) to below 1",
        formula: "Σ_i (2i − m − 1) x_i / (m Σ x), x the positions per category in ascending order, m the candidates' categories",
        absent: "no item has a category",
        source: "Fleder & Hosanagar, Management Science 2009",
    },
    Family {
        key: "alpha_ndcg@K",
        title: "α-nDCG@K",
        better: Better::Higher,
        meaning: "nDCG where every further item of a category gains (1 − α) times as much, α = 0.5; 0 to 1",
        formula: "nDCG@K with gains max(base, 0) · (1 − α)^(items of the category before)",
        absent: "no candidate has a base score above 0",
        source: "Clarke et al., SIGIR 2008",
    },
    Family {
        key: "spacing_violations@W:RULE",
        title: "violations of RULE within W",
        better: Better::Lower,
        meaning: "pairs of the rule's members too close together; a count per slate",
        formula: "pairs of members at most W positions apart, W the rule's window",
        absent: "the rule does not apply to the slate (`when`)",
        source: "the soft-spacing penalty with a step kernel",
    },
    Family {
        key: "spacing_load:RULE",
        title: "load of RULE",
        better: Better::Lower,
        meaning: "the rule's penalty before its strength; 0 or more",
        formula: "Σ_t m_t Σ_d g(d) m_{t−d}, m the membership, g the rule's kernel",
        absent: "the rule does not apply to the slate (`when`)",
        source: "the soft-spacing penalty",
    },
    Family {
        key: "prefix_overlap@W:LEVEL",
        title: "same LEVEL codes, W before",
        better: Better::Lower,
        meaning: "share of the items just before that agree in the first LEVEL codes of their Semantic ID; 0 to 1",
        formula: "mean over positions t ≥ 1 of the share of the (at most) W items just before whose first LEVEL codes, none of them 0, are those of t",
        absent: "fewer than two positions",
        source: "the Semantic-ID penalty with a step kernel, level by level",
    },
    Family {
        key: "displacement",
        title: "displacement",
        better: Better::Neither,
        meaning: "how far items moved from the order by relevance, in places",
        formula: "mean over positions of |rank by base score − position|",
        absent: "no positions",
        source: "Spearman's footrule, per item",
    },
    Family {
        key: "overlap",
        title: "overlap with the top",
        better: Better::Neither,
        meaning: "share of the items that are among as many best ones by relevance; 0 to 1",
        formula: "items with rank < positions / positions",
        absent: "no positions",
        source: "overlap@T of two rankings",
    },
];

/// All metrics as a table in Markdown: the table of `docs/metrics.md`.
pub fn markdown() -> String {
    let mut text =
        "| key | what it is | better | formula | no value where | source |\n|---|---|---|---|---|---|\n".to_owned();
    for f in &FAMILIES {
        let better = match f.better {
            Better::Higher => "higher",
            Better::Lower => "lower",
            Better::Neither => "–",
        };
        let row =
            [&format!("`{}`", f.key), f.meaning, better, f.formula, f.absent, f.source].map(|c| c.replace('|', "\\|"));
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// All metrics by which settings can be judged against relevance kept, one line each, for help texts.
pub fn judging() -> String {
    let lines = FAMILIES.iter().filter(|f| f.better != Better::Neither && f.key != "relevance_kept");
    let lines = lines.map(|f| {
        let less = if f.better == Better::Lower { " (less is better)" } else { "" };
        format!("  {:<26} {}{less}\n", f.key, f.meaning)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_what_there_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&markdown()), "docs/metrics.md should hold this table:\n{}", markdown());
    }

    #[test]
    fn metrics_can_be_told_apart() {
        let mut keys: Vec<&str> = FAMILIES.iter().map(|f| f.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), FAMILIES.len());
    }
}
