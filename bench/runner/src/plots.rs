//! Bars with their spread, as SVG.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;

use crate::report::{Figure, Report, short};

const SIZE: (u32, u32) = (900, 420);
const OURS: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const THEIRS: RGBColor = RGBColor(0xc7, 0xc7, 0xc7);
const TARGET: RGBColor = RGBColor(0xd6, 0x27, 0x28);

struct Bar {
    label: String,
    value: f64,
    spread: (f64, f64),
    color: RGBColor,
}

/// The plots whose figures are there.
pub(crate) fn draw(report: &Report, folder: &Path) -> Result<()> {
    let plots = [
        ("throughput.svg", "Likes a second, beside hello, reopening and the seed", "like/", "likes/s"),
        ("cpu.svg", "Processor time a like, ours and the seed's", "like/", "µs"),
        ("consume.svg", "Events a second into MySQL, ours and the seed's", "consume", "events/s"),
        ("memory.svg", "Redis bytes a like, ours and the seed's", "memory/", "bytes"),
    ];
    for (file, title, prefix, unit) in plots {
        let chosen = report.figures.iter().filter(|figure| figure.name.starts_with(prefix) && figure.unit == unit);
        let bars: Vec<Bar> = chosen.flat_map(bars).collect();
        if !bars.is_empty() {
            bar_chart(&folder.join(file), title, unit, &bars).context(file)?;
        }
    }
    let ratios: Vec<&Figure> = report.figures.iter().filter(|figure| figure.headroom().is_some()).collect();
    if !ratios.is_empty() {
        targets(&folder.join("targets.svg"), &ratios).context("targets.svg")?;
    }
    Ok(())
}

/// The figure's own, and its baseline's.
fn bars(figure: &Figure) -> Vec<Bar> {
    let name = figure.name.split_once('/').map_or(figure.name.as_str(), |(_, rest)| rest);
    let Some(value) = figure.value else { return vec![] };
    let spread = (figure.min.unwrap_or(value), figure.max.unwrap_or(value));
    let mut bars = vec![Bar { label: name.to_owned(), value, spread, color: OURS }];
    if let (Some(value), Some(is)) = (figure.baseline, figure.baseline_is) {
        bars.push(Bar { label: is.to_owned(), value, spread: (value, value), color: THEIRS });
    }
    bars
}

fn bar_chart(path: &Path, title: &str, unit: &str, bars: &[Bar]) -> Result<()> {
    let highest = bars.iter().map(|bar| bar.spread.1).fold(0.0, f64::max) * 1.15;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(110)
        .y_label_area_size(80)
        .build_cartesian_2d((0..bars.len()).into_segmented(), 0.0..highest)?;
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => bars.get(*place).map_or_else(String::new, |bar| bar.label.clone()),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(bars.len())
        .x_label_formatter(&label)
        .x_label_style(("sans-serif", 12).into_font().transform(FontTransform::Rotate90))
        .y_desc(unit)
        .draw()?;
    for (place, bar) in bars.iter().enumerate() {
        let (left, middle) = (SegmentValue::Exact(place), SegmentValue::CenterOf(place));
        let corners = [(left, 0.0), (SegmentValue::Exact(place + 1), bar.value)];
        let mut rectangle = Rectangle::new(corners, bar.color.filled());
        rectangle.set_margin(0, 0, 6, 6);
        chart.draw_series([rectangle])?;
        let (low, high) = bar.spread;
        chart.draw_series([PathElement::new(vec![(middle.clone(), low), (middle.clone(), high)], BLACK)])?;
        chart.draw_series([Text::new(short(Some(bar.value)), (middle, high), ("sans-serif", 12))])?;
    }
    Ok(root.present()?)
}

/// How far each target is reached: past the line it is met, whichever way it counts.
fn targets(path: &Path, figures: &[&Figure]) -> Result<()> {
    const MOST: f64 = 3.0;
    let height = 80 + 24 * u32::try_from(figures.len())?;
    let root = SVGBackend::new(path, (SIZE.0, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Target reached, times over", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(170)
        .build_cartesian_2d(0.0..MOST, (0..figures.len()).into_segmented())?;
    let label = |place: &SegmentValue<usize>| match place {
        SegmentValue::CenterOf(place) => figures.get(*place).map_or_else(String::new, |figure| figure.name.clone()),
        _ => String::new(),
    };
    chart.configure_mesh().disable_y_mesh().y_labels(figures.len()).y_label_formatter(&label).draw()?;
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
