//! Plots as SVG, written by hand: lines over N on two logarithmic axes. They read on a light and on a dark page.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 300.0;
const COLOURS: [&str; 4] = ["#2f6fab", "#c4622d", "#5a8f3d", "#8a8a8a"];

/// One line.
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Points, by N.
    pub points: Vec<(f64, f64)>,
    /// A bound or a floor, drawn in dashes.
    pub bound: bool,
}

/// A plot of lines over N.
pub fn svg(title: &str, unit: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points).filter(|(x, y)| *x > 0.0 && *y > 0.0);
    let across = Axis::over(points().map(|(x, _)| *x), LEFT, RIGHT);
    let up = Axis::over(points().map(|(_, y)| *y), BOTTOM, TOP);
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="{title}">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>
<text x="{LEFT}" y="22" font-size="15" fill="#222222">{title}</text>
<g stroke="#dddddd" fill="#555555" stroke-width="1">
"##
    );
    for tick in across.ticks() {
        let x = across.place(tick);
        let _ = writeln!(
            out,
            r#"<path d="M{x:.1} {TOP}V{BOTTOM}"/><text x="{x:.1}" y="318" text-anchor="middle" stroke="none">{}</text>"#,
            short(tick)
        );
    }
    for tick in up.ticks() {
        let y = up.place(tick);
        let _ = writeln!(
            out,
            r#"<path d="M{LEFT} {y:.1}H{RIGHT}"/><text x="62" y="{:.1}" text-anchor="end" stroke="none">{}</text>"#,
            y + 4.0,
            short(tick)
        );
    }
    let _ =
        writeln!(out, r#"<text x="{RIGHT}" y="336" text-anchor="end" stroke="none">N, remote subscriptions</text>"#);
    let _ = writeln!(out, r#"<text x="{RIGHT}" y="22" text-anchor="end" stroke="none">{unit}</text></g>"#);
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let dash = if line.bound { r#" stroke-dasharray="5 4""# } else { "" };
        let places: Vec<(f64, f64)> = line
            .points
            .iter()
            .filter(|(x, y)| *x > 0.0 && *y > 0.0)
            .map(|(x, y)| (across.place(*x), up.place(*y)))
            .collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>"#,
            path.join(" ")
        );
        if !line.bound {
            for (x, y) in &places {
                let _ = writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#);
            }
        }
        let (x, y) = (LEFT + 10.0 + 280.0 * (number % 2) as f64, 334.0 + 16.0 * (number / 2) as f64);
        let _ = writeln!(
            out,
            r##"<path d="M{x:.1} {:.1}h18" stroke="{colour}" stroke-width="2"{dash}/><text x="{:.1}" y="{y:.1}" fill="#333333">{}</text>"##,
            y - 4.0,
            x + 24.0,
            line.name
        );
    }
    out.push_str("</svg>\n");
    out
}

/// A logarithmic axis between two places of the picture.
struct Axis {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (least, most) =
            values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
        if least > most {
            return Self { least: 1.0, most: 10.0, from, to };
        }
        Self { least: least * 0.8, most: (most * 1.25).max(least * 2.0), from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.ln() - self.least.ln()) / (self.most.ln() - self.least.ln());
        self.from + share * (self.to - self.from)
    }

    /// 1, 2 and 5 times the powers of ten; the powers alone where those would crowd.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.most / self.least > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = -3_i32..9;
        let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        ticks.filter(|tick| (self.least..=self.most).contains(tick)).collect()
    }
}

fn short(value: f64) -> String {
    if value >= 1000.0 { format!("{},000", value / 1000.0) } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_drawn_inside_the_frame() {
        let line = Line { name: "calls".to_owned(), points: vec![(300.0, 311.0), (10_000.0, 10_025.0)], bound: false };
        let picture = svg("Calls", "calls", &[line]);
        assert_eq!(picture.matches("<circle").count(), 2);
        let places = picture.split("cx=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok());
        assert!(places.into_iter().all(|x| (LEFT..=RIGHT).contains(&x)), "{picture}");
        assert!(picture.contains(">10,000<"));
    }

    #[test]
    fn nothing_measured_is_an_empty_frame() {
        assert!(svg("Calls", "calls", &[]).ends_with("</svg>\n"));
    }
}
