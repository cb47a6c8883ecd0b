//! What a report may do: run its own two scripts, and load nothing.

/// The charting library; see `assets/report/README.md`.
pub(super) const LIBRARY: &str = include_str!("../../assets/report/plot.min.js");
/// Draws the charts, sorts tables, switches between light and dark.
pub(super) const SCRIPT: &str = include_str!("../../assets/report/report.js");
/// Style.
pub(super) const STYLE: &str = include_str!("../../assets/report/report.css");

/// Content-Security-Policy of the page. Scripts are allowed by their SHA-256; a test says what it should be where a script
/// has changed. Charts set styles of their own; heat maps are images that the script makes.
pub(super) const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; \
    style-src 'unsafe-inline'; \
    script-src 'sha256-JuCb+go4tY8PSEArqPHydQ8MeC2FC9Zn1eKsuly2eNA=' \
    'sha256-PeeHmxvmQxK+Z1M4EFI/Nh5XnmJ7rW973CHRyMPQS1U='";

#[cfg(test)]
mod tests {
    use base64::Engine;
    use sha2::Digest;

    use super::*;

    #[test]
    fn the_policy_allows_these_scripts_and_no_other() {
        let hash = |text: &str| base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text));
        let wanted = format!("script-src 'sha256-{}' 'sha256-{}'", hash(LIBRARY), hash(SCRIPT));
        assert!(POLICY.ends_with(&wanted), "a script has changed: POLICY has to end in\n{wanted}");
        assert_eq!(POLICY.matches("script-src").count(), 1);
    }

    #[test]
    fn no_asset_ends_its_own_element_or_points_elsewhere() {
        for asset in [LIBRARY, SCRIPT, STYLE] {
            let lower = asset.to_ascii_lowercase();
            for forbidden in ["</script", "</style", "<!--", "@import", "sourcemappingurl"] {
                assert!(!lower.contains(forbidden), "{forbidden}");
            }
        }
        for own in [SCRIPT, STYLE] {
            assert!(!own.contains("http://") && !own.contains("https://"));
        }
    }
}
