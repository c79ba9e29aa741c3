//! Bars with their spread, as SVG.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;

use crate::report::{Figure, Report, short};

const WIDTH: u32 = 900;
/// For the names at the left.
const LABELS: u32 = 200;
const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const THEIRS: RGBColor = RGBColor(0xc7, 0xc7, 0xc7);
const TARGET: RGBColor = RGBColor(0xd6, 0x27, 0x28);

struct Bar {
    label: String,
    value: f64,
    spread: (f64, f64),
    color: RGBColor,
}

/// A picture of the figures whose names begin and end so, and that have one of these units.
struct Plot {
    file: &'static str,
    title: &'static str,
    prefixes: &'static [&'static str],
    suffix: &'static str,
    units: &'static [&'static str],
}

const REQUESTS: &[&str] = &["like/", "read/", "mixed"];
const PER_SECOND: &[&str] = &["likes/s", "reads/s", "requests/s"];

const PLOTS: [Plot; 8] = [
    plot("throughput.svg", "Likes a second, beside hello, reopening and the Go design", &["like/"], &["likes/s"]),
    plot("reads.svg", "Reads a second, beside hello and the Go design", &["read/", "mixed"], PER_SECOND),
    Plot {
        suffix: "/seed",
        ..plot("requests.svg", "Likes and reads a second, ours and the Go design's", REQUESTS, PER_SECOND)
    },
    plot("cpu.svg", "Processor time a like and a read, ours and the Go design's", REQUESTS, &["µs"]),
    plot("half.svg", "Time of a like and a read at half of the server's capacity, and when full", &["half/"], &["ms"]),
    plot("redis.svg", "Redis's own time a call of a script", &["redis/"], &["µs"]),
    plot("consume.svg", "Events a second into MySQL, ours and the Go design's", &["consume"], &["events/s"]),
    plot("memory.svg", "Redis bytes a like, ours and the Go design's", &["memory/"], &["bytes"]),
];

const fn plot(
    file: &'static str,
    title: &'static str,
    prefixes: &'static [&'static str],
    units: &'static [&'static str],
) -> Plot {
    Plot { file, title, prefixes, suffix: "", units }
}

impl Plot {
    fn shows(&self, figure: &Figure) -> bool {
        let begins = self.prefixes.iter().any(|prefix| figure.name.starts_with(prefix));
        begins && figure.name.ends_with(self.suffix) && self.units.contains(&figure.unit)
    }

    /// The figure's own, and its baseline's.
    fn bars(&self, figure: &Figure) -> Vec<Bar> {
        let Some(value) = figure.value else { return vec![] };
        // What is compared, without what it is compared by; all of it where there is more than likes or reads.
        let name = ["/seed", "/cpu", "/reopening"].iter().find_map(|part| figure.name.strip_suffix(part));
        let name = name.unwrap_or(&figure.name);
        let name = if self.prefixes.len() > 1 { name } else { name.split_once('/').map_or(name, |(_, rest)| rest) };
        let spread = (figure.min.unwrap_or(value), figure.max.unwrap_or(value));
        let mut bars = vec![Bar { label: name.to_owned(), value, spread, color: OURS }];
        if let (Some(value), Some(is)) = (figure.baseline, figure.baseline_is) {
            bars.push(Bar { label: format!("{name} {is}"), value, spread: (value, value), color: THEIRS });
        }
        bars
    }
}

/// The plots whose figures are there.
pub(crate) fn draw(report: &Report, folder: &Path) -> Result<()> {
    for plot in PLOTS {
        let mut drawn = vec![];
        for bar in report.figures.iter().filter(|figure| plot.shows(figure)).flat_map(|figure| plot.bars(figure)) {
            // Several figures share a baseline, or their own side.
            if !drawn.iter().any(|other: &Bar| other.value.total_cmp(&bar.value).is_eq()) {
                drawn.push(bar);
            }
        }
        // The axis counts upwards.
        drawn.reverse();
        if !drawn.is_empty() {
            bar_chart(&folder.join(plot.file), plot.title, &plot.units.join(", "), &drawn).context(plot.file)?;
        }
    }
    let ratios: Vec<&Figure> = report.figures.iter().rev().filter(|figure| figure.headroom().is_some()).collect();
    if !ratios.is_empty() {
        targets(&folder.join("targets.svg"), &ratios).context("targets.svg")?;
    }
    Ok(())
}

/// Lying, so that names have room.
fn bar_chart(path: &Path, title: &str, unit: &str, bars: &[Bar]) -> Result<()> {
    let highest = bars.iter().map(|bar| bar.spread.1).fold(0.0, f64::max) * 1.15;
    let root = SVGBackend::new(path, (WIDTH, height(bars.len())?)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(45)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..highest, (0..bars.len() - 1).into_segmented())?;
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => bars.get(*place).map_or_else(String::new, |bar| bar.label.clone()),
        _ => String::new(),
    };
    let mut mesh = chart.configure_mesh();
    mesh.disable_y_mesh().y_labels(bars.len()).y_label_formatter(&label).x_desc(unit);
    mesh.light_line_style(TRANSPARENT).label_style(("sans-serif", 12)).draw()?;
    for (place, bar) in bars.iter().enumerate() {
        let middle = SegmentValue::CenterOf(place);
        let corners = [(0.0, SegmentValue::Exact(place)), (bar.value, SegmentValue::Exact(place + 1))];
        let mut rectangle = Rectangle::new(corners, bar.color.filled());
        rectangle.set_margin(4, 4, 0, 0);
        chart.draw_series([rectangle])?;
        let (low, high) = bar.spread;
        chart.draw_series([PathElement::new(vec![(low, middle.clone()), (high, middle.clone())], BLACK)])?;
        let value = Text::new(short(Some(bar.value)), (0, -5), ("sans-serif", 12));
        chart.draw_series([EmptyElement::at((high, middle)) + value])?;
    }
    Ok(root.present()?)
}

/// For a line of each figure.
fn height(lines: usize) -> Result<u32> {
    Ok(110 + 24 * u32::try_from(lines)?)
}

/// How far each target is reached: past the line it is met, whichever way it counts.
fn targets(path: &Path, figures: &[&Figure]) -> Result<()> {
    const MOST: f64 = 3.0;
    let root = SVGBackend::new(path, (WIDTH, height(figures.len())?)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Target reached, times over", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(45)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..MOST, (0..figures.len() - 1).into_segmented())?;
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => figures.get(*place).map_or_else(String::new, |figure| figure.name.clone()),
        _ => String::new(),
    };
    let mut mesh = chart.configure_mesh();
    mesh.disable_y_mesh().y_labels(figures.len()).y_label_formatter(&label);
    mesh.light_line_style(TRANSPARENT).label_style(("sans-serif", 12)).draw()?;
    for (place, figure) in figures.iter().enumerate() {
        let reached = figure.headroom().unwrap_or_default();
        let color = if reached >= 1.0 { OURS } else { TARGET };
        let corners = [(0.0, SegmentValue::Exact(place)), (reached.min(MOST), SegmentValue::Exact(place + 1))];
        let mut rectangle = Rectangle::new(corners, color.filled());
        rectangle.set_margin(4, 4, 0, 0);
        chart.draw_series([rectangle])?;
    }
    let ends = vec![(1.0, SegmentValue::Exact(0)), (1.0, SegmentValue::Exact(figures.len()))];
    chart.draw_series([PathElement::new(ends, TARGET.stroke_width(2))])?;
    Ok(root.present()?)
}
