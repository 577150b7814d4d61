//! Results as they come, batch by batch: what can be printed at once is, the rest waits for the end.
use super::{
    Apply, Judged, ReportFormat, exceptions,
    print::{self, Counts, Outcome},
    report::Reports,
};
use crate::cli::{
    cosign::Failure,
    kyverno::{
        color::Colours,
        input::Loaded,
        sarif::Sarif,
        table::{self, Row},
    },
};
use sigward_document::GoDuration;
use std::{collections::BTreeSet, path::PathBuf};

/// What has been found so far.
#[derive(Debug)]
pub(super) struct Show<'a> {
    flags: &'a Apply,
    policies: &'a [Loaded],
    /// How many results of each kind there are.
    pub(super) counts: Counts,
    rows: Vec<Row>,
    reports: Reports,
    sarif: Sarif,
    written: BTreeSet<PathBuf>,
}

impl<'a> Show<'a> {
    /// Nothing yet, but for what could not be read.
    pub(super) fn new(flags: &'a Apply, policies: &'a [Loaded], counts: Counts) -> Self {
        Self {
            flags,
            policies,
            counts,
            rows: Vec::new(),
            reports: Reports::default(),
            sarif: Sarif::default(),
            written: BTreeSet::new(),
        }
    }

    /// Takes some resources with what was said about them.
    pub(super) fn batch(&mut self, judged: &[Judged]) -> Result<(), Failure> {
        let Self { flags, policies, .. } = *self;
        let outcomes: Vec<Outcome<'_>> = judged
            .iter()
            .flat_map(|one| print::outcomes(one, policies, flags.audit_warn))
            .collect();
        for outcome in &outcomes {
            self.counts.add(outcome.status);
        }
        if flags.output_format == ReportFormat::Sarif {
            print::findings(&outcomes).for_each(|finding| self.sarif.push(finding));
            return Ok(());
        }
        if flags.generate_exceptions {
            return print::say(&exceptions::render(&outcomes, &self.ttl()?));
        }
        match &flags.output {
            Some(output) => print::write_mutated(judged, output, &mut self.written)?,
            None => print::say(&print::mutated(judged, policies, flags.stdin))?,
        }
        if flags.stdin {
            return Ok(());
        }
        if flags.policy_report {
            self.reports.add(&outcomes, policies);
            return Ok(());
        }
        if flags.table {
            let rows = print::rows(&outcomes, self.rows.len());
            self.rows.extend(rows);
            return Ok(());
        }
        print::say(&print::violations(&outcomes, flags.explain))?;
        if flags.output_format == ReportFormat::Github {
            print::say(&print::annotations(&outcomes))?;
        }
        Ok(())
    }

    /// How long exceptions hold, as Go prints it.
    fn ttl(&self) -> Result<String, Failure> {
        let written = &self.flags.generated_exception_ttl;
        let ttl = GoDuration::parse(written).map_err(|error| {
            Failure::new(format!(
                "invalid argument {written:?} for \"--generated-exception-ttl\" flag: {error}"
            ))
        })?;
        Ok(ttl.to_string())
    }

    /// Prints what waited, and the counts.
    pub(super) fn end(self) -> Result<Counts, Failure> {
        let flags = self.flags;
        if flags.output_format == ReportFormat::Sarif {
            print::say(&self.sarif.render())?;
        } else if flags.policy_report && !flags.generate_exceptions && !flags.stdin {
            let json = flags.output_format == ReportFormat::Json;
            print::say(&self.reports.render(flags.report_group, json))?;
        } else if flags.table && !flags.generate_exceptions && !flags.stdin {
            let colour = Colours::choose(flags.remove_color);
            print::say(&table::render(&self.rows, flags.explain, colour))?;
        } else if !flags.is_quiet() {
            print::footer(&self.counts);
        }
        Ok(self.counts)
    }
}
