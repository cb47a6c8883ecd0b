//! Points as a plot of characters.

/// Columns and rows of the plot, axes left out.
const WIDTH: usize = 64;
const HEIGHT: usize = 16;

/// A point: place, and the character that stands for it. Where several meet, the last one shows.
pub(super) type Mark = (f64, f64, char);

/// Draws points over two axes whose ends are named; nothing where there are no two different places.
pub(super) fn plot(marks: &[Mark], x_name: &str, y_name: &str) -> String {
    let span = |of: &dyn Fn(&Mark) -> f64| {
        let low = marks.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = marks.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let ((left, right), (bottom, top)) = (span(&|m| m.0), span(&|m| m.1));
    if right <= left || top <= bottom || marks.is_empty() {
        return String::new();
    }
    let mut cells = vec![vec![' '; WIDTH]; HEIGHT];
    for &(x, y, mark) in marks {
        let column = ((x - left) / (right - left) * (WIDTH - 1) as f64).round() as usize;
        let row = ((top - y) / (top - bottom) * (HEIGHT - 1) as f64).round() as usize;
        cells[row][column] = mark;
    }
    let mut text = format!("{y_name}\n");
    for (row, line) in cells.into_iter().enumerate() {
        let label = match row {
            0 => format!("{top:.3}"),
            row if row == HEIGHT - 1 => format!("{bottom:.3}"),
            _ => String::new(),
        };
        let line: String = line.into_iter().collect();
        text.push_str(format!("{label:>8} │{line}").trim_end());
        text.push('\n');
    }
    let ends = format!("{left:<.4}{right:>width$.4}", width = WIDTH - format!("{left:.4}").len());
    text.push_str(&format!("{:>8} └{}\n{:>10}{ends}  {x_name}\n", "", "─".repeat(WIDTH), ""));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_in_the_corners() {
        let text = plot(&[(0.9, 1.0, 'a'), (1.0, 0.5, 'b'), (0.95, 0.75, 'c')], "kept", "ild");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 3);
        assert_eq!(lines[0], "ild");
        assert_eq!(lines[1], "   1.000 │a");
        assert_eq!(lines[HEIGHT], format!("   0.500 │{}b", " ".repeat(WIDTH - 1)));
        assert!(lines[HEIGHT + 2].contains("0.9000") && lines[HEIGHT + 2].ends_with("1.0000  kept"));
        assert!(lines.iter().all(|line| line.chars().count() <= 82));
    }

    #[test]
    fn one_place_is_no_plot() {
        assert_eq!(plot(&[], "x", "y"), "");
        assert_eq!(plot(&[(1.0, 1.0, 'a'), (1.0, 1.0, 'b')], "x", "y"), "");
    }
}
