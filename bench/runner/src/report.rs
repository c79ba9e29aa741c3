use std::{fs, path::Path};

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use crate::samples::Samples;

/// What was measured, beside what it is compared with and what it should reach.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    what: String,
    /// The median of the rounds; null where it could not be measured.
    pub(crate) value: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    rounds: usize,
    pub(crate) baseline: Option<f64>,
    pub(crate) baseline_is: Option<&'static str>,
    /// The median of value ÷ baseline, round by round.
    pub(crate) ratio: Option<f64>,
    ratio_min: Option<f64>,
    ratio_max: Option<f64>,
    target: Option<f64>,
    target_is: Option<Goal>,
    target_met: Option<bool>,
    conditions: String,
    not_measured: Option<String>,
}

/// Which number a target is about, and on which side of it one should be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    RatioAtLeast,
    RatioAtMost,
    ValueAtLeast,
    ValueAtMost,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, what: impl Into<String>, unit: &'static str, samples: &Samples) -> Self {
        Self {
            name: name.into(),
            what: what.into(),
            value: samples.median(),
            unit,
            min: samples.min(),
            max: samples.max(),
            rounds: samples.len(),
            baseline: None,
            baseline_is: None,
            ratio: None,
            ratio_min: None,
            ratio_max: None,
            target: None,
            target_is: None,
            target_met: None,
            conditions: String::new(),
            not_measured: None,
        }
    }

    /// Of what could not be measured, and why.
    pub(crate) fn missing(name: impl Into<String>, what: impl Into<String>, why: &str) -> Self {
        let figure = Self::new(name, what, "", &Samples::default());
        Self { not_measured: Some(why.to_owned()), ..figure }
    }

    /// Compared with these, of the same rounds.
    pub(crate) fn against(mut self, baseline_is: &'static str, samples: &Samples, baseline: &Samples) -> Self {
        let ratio = samples.ratio(baseline);
        self.baseline = baseline.median();
        self.baseline_is = Some(baseline_is);
        (self.ratio, self.ratio_min, self.ratio_max) = (ratio.median(), ratio.min(), ratio.max());
        self
    }

    pub(crate) fn target(mut self, goal: Goal, target: f64) -> Self {
        (self.target, self.target_is) = (Some(target), Some(goal));
        self.target_met = self.headroom().map(|reached| reached >= 1.0);
        self
    }

    /// What ran, with how much, on which core.
    pub(crate) fn conditions(mut self, conditions: impl Into<String>) -> Self {
        self.conditions = conditions.into();
        self
    }

    /// How many times over the target is reached: 1 is exactly.
    pub(crate) fn headroom(&self) -> Option<f64> {
        let target = self.target?;
        Some(match self.target_is? {
            Goal::RatioAtLeast => self.ratio? / target,
            Goal::RatioAtMost => target / self.ratio?,
            Goal::ValueAtLeast => self.value? / target,
            Goal::ValueAtMost => target / self.value?,
        })
    }
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// RFC 3339, UTC.
    pub(crate) at: String,
    pub(crate) cores: usize,
    /// Small sizes and few rounds, to see that the bench works: no figures to quote.
    pub(crate) smoke: bool,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["figure", "value", "spread", "unit", "baseline", "ratio", "spread", "target", ""]);
        for figure in &self.figures {
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(&figure.name),
                right(short(figure.value)),
                right(spread(figure.min, figure.max)),
                Cell::new(figure.unit),
                right(figure.baseline_is.map_or_else(String::new, |is| format!("{is} {}", short(figure.baseline)))),
                right(figure.ratio.map_or_else(String::new, |ratio| short(Some(ratio)))),
                right(spread(figure.ratio_min, figure.ratio_max)),
                Cell::new(target_text(figure)),
                Cell::new(verdict(figure)),
            ]);
        }
        table.to_string()
    }

    /// What the table has no room for, a line each.
    pub(crate) fn notes(&self) -> String {
        let line = |figure: &Figure| {
            let note = figure.not_measured.as_ref().unwrap_or(&figure.conditions);
            format!("{}: {}; {note}\n", figure.name, figure.what)
        };
        self.figures.iter().map(line).collect()
    }
}

fn target_text(figure: &Figure) -> String {
    let sign = match figure.target_is {
        None => return String::new(),
        Some(Goal::RatioAtLeast) => "ratio ≥",
        Some(Goal::RatioAtMost) => "ratio ≤",
        Some(Goal::ValueAtLeast) => "≥",
        Some(Goal::ValueAtMost) => "≤",
    };
    format!("{sign} {}", short(figure.target))
}

fn verdict(figure: &Figure) -> &'static str {
    match (figure.target_met, &figure.not_measured) {
        (_, Some(_)) => "NOT MEASURED",
        (Some(true), None) => "met",
        (Some(false), None) => "missed",
        (None, None) => "",
    }
}

fn spread(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min < max => format!("{}–{}", short(Some(min)), short(Some(max))),
        _ => String::new(),
    }
}

/// Three digits are as many as such figures have.
pub(crate) fn short(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }

    #[test]
    fn a_target_looks_at_the_number_that_it_names() {
        let (values, baseline) = (samples(&[60.0]), samples(&[100.0]));
        let figure = || Figure::new("a", "b", "c", &values).against("d", &values, &baseline);
        assert_eq!(figure().target(Goal::RatioAtLeast, 0.55).target_met, Some(true));
        assert_eq!(figure().target(Goal::RatioAtMost, 0.55).target_met, Some(false));
        assert_eq!(figure().target(Goal::ValueAtLeast, 61.0).target_met, Some(false));
        assert_eq!(figure().target(Goal::ValueAtMost, 61.0).target_met, Some(true));
    }

    #[test]
    fn what_is_missing_neither_meets_nor_misses() {
        let figure = Figure::missing("a", "b", "no Go here").target(Goal::RatioAtLeast, 1.0);
        assert_eq!((figure.target_met, verdict(&figure)), (None, "NOT MEASURED"));
    }
}
