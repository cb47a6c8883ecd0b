//! Curves as SVG pictures, both axes logarithmic.

use std::path::Path;

use plotters::prelude::*;

use crate::common::parquet_files::Failable;
use crate::curves::Curve;

const SIZE: (u32, u32) = (860, 480);
/// Room for the names of lines, right of the plot.
const LEGEND_WIDTH: u32 = 230;
/// Colours that people who do not see all colours can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
    RGBColor(204, 121, 167),
    RGBColor(90, 90, 90),
];

/// Draws a curve.
pub fn draw(curve: &Curve, path: &Path) -> Failable<()> {
    let points = || curve.lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
        (least, most)
    };
    let (x_least, x_most) = range(&mut points().map(|point| point.x));
    let (y_least, y_most) = range(&mut points().map(|point| point.y));
    if x_most <= 0.0 {
        return Err(format!("nothing to draw of {}", curve.name).into());
    }
    // Named below are the points that were measured.
    let mut xs: Vec<f64> = points().map(|point| point.x).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(&curve.title, ("sans-serif", 18))
        .margin(12)
        .margin_right(LEGEND_WIDTH)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (x_least / 1.15..x_most * 1.15).log_scale().with_key_points(xs),
            (y_least / 1.5..y_most * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.12))
        .x_desc(&curve.x)
        .y_desc(&curve.y)
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .label_style(("sans-serif", 13))
        .draw()?;
    for (line, colour) in curve.lines.iter().zip(COLOURS.iter().cycle()) {
        let at: Vec<(f64, f64)> = line.points.iter().map(|point| (point.x, point.y)).collect();
        chart.draw_series(LineSeries::new(at.clone(), colour.stroke_width(2)))?;
        chart.draw_series(at.iter().map(|&at| Circle::new(at, 3, colour.filled())))?;
    }
    // In the order in which the lines end, from the top.
    let mut ends: Vec<_> = curve.lines.iter().zip(COLOURS.iter().cycle()).collect();
    ends.sort_by(|a, b| {
        let end = |line: &crate::curves::Line| line.points.last().map_or(0.0, |point| point.y);
        end(b.0).total_cmp(&end(a.0))
    });
    let left = (SIZE.0 - LEGEND_WIDTH + 8) as i32;
    for (i, (line, colour)) in ends.into_iter().enumerate() {
        let y = 56 + 22 * i as i32;
        root.draw(&PathElement::new([(left, y), (left + 18, y)], colour.stroke_width(3)))?;
        root.draw(&Text::new(line.name.clone(), (left + 24, y - 7), ("sans-serif", 13)))?;
    }
    root.present()?;
    Ok(())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the library hands out references")]
fn label(value: &f64) -> String {
    if *value >= 1000.0 { crate::common::grouped(*value) } else { format!("{}", (value * 1e6).round() / 1e6) }
}
