//! Reports in a real browser: nothing fetched, nothing complained about, every chart drawn, usable with a keyboard, on a
//! phone, in the dark, and by those who cannot see the pictures.
//!
//! `tests/browser.sh` runs these with a browser required. `SPECTRANK_SCREENSHOTS=DIR` keeps pictures of every page.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod cdp;
mod pages;

use std::path::PathBuf;

use cdp::{Page, browser};
use serde_json::{Value, json};

const CHECKS: &str = include_str!("checks.js");

/// A browser with a folder for pages; none where there is no browser.
fn start() -> Option<(Page, tempfile::TempDir)> {
    browser().map(|browser| (Page::open(&browser), tempfile::tempdir().unwrap()))
}

fn check(page: &mut Page, what: &str) {
    let wrong = page.eval(CHECKS);
    assert_eq!(wrong, json!([]), "{what}: {wrong:#}");
    if let Some(axe) = std::env::var_os("SPECTRANK_AXE") {
        let script = std::fs::read_to_string(axe).unwrap();
        page.eval(&format!("{script}; true"));
        let found = page.eval(
            "axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => \
             [v.id, v.help, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))]))",
        );
        assert_eq!(found, json!([]), "{what}: {found:#}");
    }
}

/// Everything that holds for every page, whatever is on it.
fn check_everywhere(page: &mut Page, path: PathBuf) {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    page.resize(1100, 800);
    page.load(&path);
    for scheme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", scheme);
        for (width, device) in [(1100, "wide"), (360, "phone")] {
            page.resize(width, 800);
            check(page, &format!("{name}, {scheme}, {width} px"));
            page.screenshot(&format!("{name}-{scheme}-{device}"));
        }
    }
    page.eval("document.querySelectorAll('details').forEach((details) => (details.open = true))");
    check(page, &format!("{name}, all opened"));
    assert_eq!(page.complaints(), Vec::<String>::new(), "{name}");
    assert_eq!(page.requests(), [format!("file://{}", path.display())], "{name} asks for nothing but itself");
}

#[test]
fn an_explanation_is_fit_to_read() {
    let Some((mut page, folder)) = start() else { return };
    check_everywhere(&mut page, pages::explanation(folder.path()));
    assert_eq!(page.eval("document.querySelectorAll('[data-chart]').length"), 4);
}

#[test]
fn a_comparison_is_fit_to_read() {
    let Some((mut page, folder)) = start() else { return };
    check_everywhere(&mut page, pages::compared(folder.path()));
    let charts = page.eval("document.querySelectorAll('[data-chart]').length").as_u64().unwrap();
    let metrics = page.eval("document.querySelectorAll('section:nth-of-type(2) tbody tr').length").as_u64().unwrap();
    assert!(charts > 10 && charts == metrics, "{charts} charts of {metrics} metrics");
    // Intervals of three configurations each, with the 0 that they are held against.
    let drawn =
        "[...document.querySelectorAll('[data-chart]')].every((c) => c.querySelectorAll('.dot circle').length === 3)";
    assert_eq!(page.eval(drawn), true);
}

#[test]
fn a_sweep_is_fit_to_read() {
    let Some((mut page, folder)) = start() else { return };
    let path = pages::tuned(folder.path());
    check_everywhere(&mut page, path.clone());
    page.load(&path);
    page.resize(1100, 800);
    assert_eq!(page.eval("document.querySelectorAll('[data-chart]').length"), 2, "a closer look, and everything");
    // A ring for every choice: of ten sweeps one keeps too little.
    let rings = "[...document.querySelector(\"[data-chart='1']\").querySelectorAll('.dot circle')].filter((c) => c.getAttribute('r') === '10').length";
    assert_eq!(page.eval(rings), 9);
    // No two sweeps look the same.
    let looks =
        page.eval("[...document.querySelectorAll('figure .legend')].at(-1).innerHTML.match(/<svg.*?<\\/svg>/gs)");
    let looks: std::collections::BTreeSet<&str> =
        looks.as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    assert_eq!(looks.len(), 10, "{looks:?}");
    let table =
        "[...document.querySelectorAll('section')].find((s) => s.querySelector('h2').textContent === 'Every setting')";
    let kept = format!("[...{table}.querySelector('tbody').rows].map((r) => Number(r.cells[4].dataset.v))");
    page.eval(&format!("{table}.querySelectorAll('thead button')[4].click()"));
    let sorted: Vec<f64> = page.eval(&kept).as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert!(sorted.len() > 60 && sorted.is_sorted(), "{sorted:?}");
    // The first group of points is the one setting of relevance, the second those of the spectral strategy.
    page.eval("document.querySelectorAll(\"[data-chart='1'] svg .dot\")[1].lastElementChild.id = 'strongest'");
    let shown = hover(&mut page, "#strongest");
    assert!(shown.contains("spectral.strength=") && shown.contains("relevance kept"), "{shown}");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// Saves one element of a page as a picture: `SPECTRANK_PAGE` names the page, `SPECTRANK_ELEMENT` selects the element,
/// `SPECTRANK_PICTURE` is the file. It makes the pictures in `docs`.
#[test]
#[ignore = "makes a picture and checks nothing"]
fn picture() {
    let of = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let mut page = Page::open(&browser().unwrap());
    page.resize(900, 800);
    page.load(&std::fs::canonicalize(of("SPECTRANK_PAGE")).unwrap());
    page.picture(&of("SPECTRANK_ELEMENT"), std::path::Path::new(&of("SPECTRANK_PICTURE")));
}

#[test]
fn names_from_files_stay_text() {
    let Some((mut page, folder)) = start() else { return };
    check_everywhere(&mut page, pages::save(folder.path(), "hostile.html", &pages::hostile()));
    assert_eq!(page.eval("document.title"), pages::HOSTILE);
    assert_eq!(page.eval("document.querySelectorAll('img, script[src]').length"), 0);
    let labels =
        page.eval("[...document.querySelectorAll('svg[role=img]')].map((svg) => svg.getAttribute('aria-label'))");
    assert_eq!(labels.as_array().unwrap().len(), 7, "{labels}");
    assert!(labels.as_array().unwrap().iter().all(|label| label.as_str().unwrap().starts_with(pages::HOSTILE)));
}

#[test]
fn the_policy_stops_what_should_not_run() {
    let Some((mut page, folder)) = start() else { return };
    // As if the escaping had failed: the policy is the second lock.
    let html = pages::comparison().to_html();
    let html =
        html.replace("<main", "<script>document.title = 'taken'</script><img src=\"https://example.com/x.png\"><main");
    let path = folder.path().join("attacked.html");
    std::fs::write(&path, html).unwrap();
    page.load(&path);
    assert_eq!(page.eval("document.title"), "Two configurations on the same slates");
    let complaints = page.complaints().join("\n");
    assert!(complaints.contains("script-src") && complaints.contains("img-src"), "{complaints}");
}

#[test]
fn the_checks_find_what_is_wrong() {
    let Some((mut page, folder)) = start() else { return };
    let path = pages::save(folder.path(), "tune.html", &pages::tuning());
    page.load(&path);
    page.resize(360, 800);
    for (fault, wanted) in [
        ("document.querySelector('.lead').style.color = '#8a8a8a'", "contrast 3.4"),
        ("document.documentElement.style.setProperty('--series-1', '#bbb')", "series 1 has contrast"),
        ("document.querySelector('.lead').style.minWidth = '400px'", "past the right edge"),
        ("document.querySelector('.chart').replaceChildren()", "no picture"),
        ("document.querySelectorAll('.chart .dot, .chart .line').forEach((g) => g.remove())", "no marks"),
        ("document.querySelector('.dot').innerHTML = '<path d=\"MNaN,1\"/>'", "no number"),
        ("document.querySelector('.chart svg').removeAttribute('aria-label')", "without a name"),
        ("document.querySelector('figcaption p').remove()", "nobody describes"),
        ("document.querySelector('figure details').remove()", "without its numbers"),
        ("document.querySelector('caption').remove()", "without a caption"),
        ("document.querySelector('thead th').textContent = 'x'", "does not sort"),
        ("document.querySelector('h2').remove()", "h3 under h1"),
        ("document.documentElement.lang = ''", "no language"),
    ] {
        page.load(&path);
        assert_eq!(page.eval(CHECKS), json!([]), "without a fault");
        page.eval(&format!("{fault}; true"));
        let wrong = page.eval(CHECKS).to_string();
        assert!(wrong.contains(wanted), "{fault}: {wrong}");
    }
    // A page without the policy: what a report's would stop.
    let asks = "<!DOCTYPE html><html data-drawn=0><img src='http://127.0.0.1:9/x.png'><script>console.warn('planted')</script>";
    let path = folder.path().join("asks.html");
    std::fs::write(&path, asks).unwrap();
    page.load(&path);
    assert!(page.complaints().join("").contains("planted"), "{:?}", page.complaints());
    assert!(page.requests().iter().any(|url| url == "http://127.0.0.1:9/x.png"), "{:?}", page.requests());
}

/// The first cells of the first table's rows.
fn first_column(page: &mut Page, table: &str, cell: usize) -> Vec<String> {
    let rows = page.eval(&format!(
        "[...document.querySelector('{table}').tBodies[0].rows].map((r) => r.cells[{cell}].textContent)"
    ));
    rows.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn everything_can_be_done_with_a_keyboard() {
    let Some((mut page, folder)) = start() else { return };
    page.load(&pages::save(folder.path(), "compare.html", &pages::comparison()));
    page.press("Tab");
    assert_eq!(page.eval("document.activeElement.textContent"), "Skip to the content");
    assert_eq!(
        page.eval("document.activeElement.getBoundingClientRect().left >= 0"),
        true,
        "it shows when it is reached"
    );
    page.press("Enter");
    assert_eq!(page.eval("document.activeElement.id"), "content");
    let is_reached = "document.activeElement.closest('section > .frame th')?.textContent === 'mean'";
    for _ in 0..20 {
        if page.eval(is_reached) == Value::Bool(true) {
            break;
        }
        page.press("Tab");
    }
    assert_eq!(page.eval(is_reached), true, "the heading can be reached");
    assert_ne!(page.eval("getComputedStyle(document.activeElement).outlineStyle"), "none", "and is seen to be");
    let table = "section > .frame table";
    let given = ["0.981", "0.979", "0.707", "0.733"];
    assert_eq!(first_column(&mut page, table, 1), given);
    page.press("Enter");
    assert_eq!(first_column(&mut page, table, 1), ["0.707", "0.733", "0.979", "0.981"]);
    assert_eq!(page.eval("document.activeElement.parentElement.ariaSort"), "ascending");
    assert_eq!(page.eval("document.getElementById('status').textContent"), "Sorted by mean, ascending.");
    page.press("Space");
    assert_eq!(first_column(&mut page, table, 1), ["0.981", "0.979", "0.733", "0.707"]);
    assert_eq!(page.eval("document.activeElement.parentElement.ariaSort"), "descending");
    // What is missing stays at the end, whichever way.
    page.press("Tab");
    page.press("Enter");
    assert_eq!(first_column(&mut page, table, 2), ["−0.0020", "+0.0260", "–", "–"]);
    page.press("Enter");
    assert_eq!(first_column(&mut page, table, 2), ["+0.0260", "−0.0020", "–", "–"]);
    assert_eq!(page.eval("document.querySelectorAll('section > .frame [aria-sort]').length"), 1);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn the_reader_chooses_light_or_dark() {
    let Some((mut page, folder)) = start() else { return };
    page.load(&pages::explanation(folder.path()));
    let brightness =
        "(() => { const c = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g); return c[0] * 1; })()";
    let heat = "document.querySelector('.map image').getAttribute('href')";
    page.prefer("prefers-color-scheme", "light");
    let (light, light_heat) = (page.eval(brightness), page.eval(heat));
    page.prefer("prefers-color-scheme", "dark");
    let (dark, dark_heat) = (page.eval(brightness), page.eval(heat));
    assert!(light.as_f64() > Some(200.0) && dark.as_f64() < Some(60.0), "{light} {dark}");
    assert_ne!(light_heat, dark_heat, "pictures follow");
    assert_eq!(page.eval("document.getElementById('theme').textContent"), "Switch to light");
    page.press("Tab");
    page.press("Tab");
    assert_eq!(page.eval("document.activeElement.id"), "theme");
    page.press("Enter");
    assert_eq!((page.eval(brightness), page.eval(heat)), (light, light_heat), "against what the system prefers");
    assert_eq!(page.eval("document.getElementById('theme').textContent"), "Switch to dark");
}

#[test]
fn whoever_wants_no_motion_gets_none() {
    let Some((mut page, folder)) = start() else { return };
    page.load(&pages::save(folder.path(), "compare.html", &pages::comparison()));
    let behaviour = "getComputedStyle(document.documentElement).scrollBehavior";
    page.prefer("prefers-reduced-motion", "no-preference");
    assert_eq!(page.eval(behaviour), "smooth");
    page.prefer("prefers-reduced-motion", "reduce");
    assert_eq!(page.eval(behaviour), "auto");
    assert_eq!(page.eval("document.getAnimations().length"), 0);
}

/// What a page shows with the pointer over an element.
fn hover(page: &mut Page, selector: &str) -> String {
    let place = format!("document.querySelector(\"{selector}\")");
    page.eval(&format!("{place}.scrollIntoView({{ block: 'center', behavior: 'instant' }})"));
    let at = page.eval(&format!(
        "(() => {{ const b = {place}.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
    ));
    page.point_at(at[0].as_f64().unwrap(), at[1].as_f64().unwrap());
    let shown =
        "[...document.querySelectorAll('[aria-label=tip], .hover:not([hidden])')].map((e) => e.textContent).join('|')";
    page.eval(shown).as_str().unwrap().to_owned()
}

#[test]
fn the_pointer_brings_up_names_and_numbers() {
    let Some((mut page, folder)) = start() else { return };
    let tuning = pages::save(folder.path(), "tune.html", &pages::tuning());
    for (path, chart, wanted) in [
        (tuning, "[data-chart='0'] svg .dot > :nth-child(9)", "strength = 0.67"),
        (pages::explanation(folder.path()), "[data-chart='0'] svg .bar rect", "position 0: epidemic"),
        (folder.path().join("explain.html"), ".map image", "similarity"),
    ] {
        page.load(&path);
        let shown = hover(&mut page, chart);
        assert!(shown.contains(wanted), "{chart}: {shown}");
    }
    assert_eq!(page.complaints(), Vec::<String>::new());
}
