//! Charts, drawn as SVG in the page: bars of several parts, a day each.

use maud::{Markup, html};

use super::parts::number;

/// A day: its name and a value for each series.
pub struct Day {
    /// `May 20`.
    pub name: String,
    /// One for each series, in their order.
    pub values: Vec<u64>,
}

const HEIGHT: u64 = 120;
const BAR: usize = 18;
const STEP: usize = 26;
const LEFT: usize = 4;

/// Draws bars; `series` are the names of the parts, each with a class for its colour.
/// Who cannot see them reads the table below.
pub fn bars(title: &str, series: &[(&str, &str)], days: &[Day]) -> Markup {
    let total = |day: &Day| day.values.iter().sum::<u64>();
    let most = days.iter().map(total).max().unwrap_or(0);
    let width = LEFT * 2 + STEP * days.len();
    let view = format!("0 0 {width} {}", HEIGHT + 22);
    html! {
        figure.chart {
            figcaption { (title) span.hint { " most in a day: " (number(most)) } }
            svg viewBox=(view) preserveAspectRatio="xMinYMax meet" role="img" aria-label={ (title) ", by day; the table below has the numbers" } {
                line.axis x1="0" y1=(HEIGHT) x2=(width) y2=(HEIGHT) {}
                @for (at, day) in days.iter().enumerate() {
                    @for (part, y, height) in stacked(&day.values, most) {
                        rect class=(series[part].1) x=(LEFT + at * STEP) y=(y) width=(BAR) height=(height) {
                            title { (day.name) ": " (number(day.values[part])) " " (series[part].0) }
                        }
                    }
                    @if (days.len() - 1 - at).is_multiple_of(3) {
                        text x=(LEFT + at * STEP + BAR / 2) y=(HEIGHT + 15) text-anchor="middle" { (day.name) }
                    }
                }
            }
            ul.legend { @for (name, class) in series { li { span class={ "swatch " (class) } {} (name) } } }
            details {
                summary { "Numbers" }
                div.wide tabindex="0" role="region" aria-label={ (title) ", numbers" } { table {
                    thead { tr { th scope="col" { "Day" } @for (name, _) in series { th scope="col" { (name) } } } }
                    tbody { @for day in days.iter().rev() { tr {
                        th scope="row" { (day.name) }
                        @for value in &day.values { td.number { (number(*value)) } }
                    } } }
                } }
            }
        }
    }
}

/// Returns which part stands where, from the bottom: part, top, height. What is there is
/// seen, be it one among a million.
fn stacked(values: &[u64], most: u64) -> Vec<(usize, u64, u64)> {
    let mut top = HEIGHT;
    let mut parts = Vec::new();
    for (part, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        let height = (value * (HEIGHT - 8) / most.max(1)).max(2).min(top);
        top -= height;
        parts.push((part, top, height));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_among_a_million_is_seen_and_nothing_leaves_the_chart() {
        assert_eq!(stacked(&[0, 5, 0], 5), [(1, 8, 112)]);
        assert_eq!(stacked(&[1_000_000, 1], 1_000_001), [(0, 9, 111), (1, 7, 2)]);
        assert_eq!(stacked(&[0, 0], 0), []);
        let days = [Day { name: "May 1".into(), values: vec![3] }];
        let html = bars("Rows", &[("sent", "good")], &days).into_string();
        assert!(
            html.contains("May 1: 3 sent") && html.contains("<th scope=\"row\">May 1"),
            "{html}"
        );
    }
}
