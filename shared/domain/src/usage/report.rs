//! The product's usage report: its form, its limits, and how it is classified.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hour::{Hour, after, before};
use crate::ids::{AccountId, AgentId, CloudAccountId, InstanceId, ReportId};
use crate::mutant;
use crate::tiers::{Connector, ConnectorKind, Size, Tier, classify};
use crate::usage::computer::{ComputerKey, Observation, Protected, Span};
use crate::usage::packed::Chunks;
use crate::usage::partition::Part;

/// The most computers of one report.
pub const MAX_COMPUTERS: usize = 5_000;

/// The most spans of protection of one computer.
pub const MAX_SPANS: usize = 60;

/// How far ahead of our clock an hour may start.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// How old an hour may be, counted from its start. Well below the time for
/// which reports are kept (35 days): a report must never outlive the posting
/// of its hour and come back.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(48);

/// Computers protected in one hour of one account. The body of
/// `POST /api/usage-reports` and of the messages of the usage queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageReport {
    /// The account.
    pub account: AccountId,
    /// The hour, as the instant at which it starts.
    pub hour: Hour,
    /// The product's id for this report, unique within the account's hour.
    pub report_id: ReportId,
    /// 1 to 5,000 computers.
    pub computers: Vec<ReportedComputer>,
}

/// A computer that was protected in the hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedComputer {
    /// Its agent.
    pub agent_id: AgentId,
    /// Its id at its provider, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// The connector that sees it; `null` for none.
    #[serde(default)]
    pub connector: Option<Connector>,
    /// Its size; `null` when unknown.
    #[serde(default)]
    pub size: Option<Size>,
    /// When it was protected, as half-open intervals within the hour; absent: the whole hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected: Option<Vec<(Timestamp, Timestamp)>>,
    /// Its agent was offline for the whole hour.
    #[serde(default)]
    pub offline: bool,
}

/// Why a report is refused: the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidReport {
    /// The field, as a path such as `computers[3].protected`.
    pub field: String,
    /// What is wrong, without repeating the value.
    pub problem: &'static str,
}

impl InvalidReport {
    fn new(field: impl Into<String>, problem: &'static str) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }
}

/// SHA-256 of a report's raw entries: what tells a report that comes again from
/// another one under the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// A report that may be recorded: classified and divided over its account's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedReport {
    /// The account.
    pub account: AccountId,
    /// The hour.
    pub hour: Hour,
    /// The report's id.
    pub id: ReportId,
    /// The hash of the raw entries.
    pub fingerprint: Fingerprint,
    /// The observations by part, each part's in chunks that are stored one by
    /// one. Of an account that is divided, part 0 is always there, and stored
    /// first, even if it is empty: so that another report under the same id is
    /// found out before anything of it is stored, whichever parts the two touch.
    /// A report without computers is an empty part 0: that nothing was used is
    /// known, and is not taken for a report that is missing.
    pub parts: BTreeMap<Part, Vec<Vec<Observation>>>,
}

impl UsageReport {
    /// Checks the report, classifies its computers and divides them over the
    /// number of parts that the account has in the hour, and each part over
    /// chunks that pack into at most `chunk_bytes`.
    ///
    /// # Errors
    /// [`InvalidReport`] names the first field that breaks a rule: an
    /// oversized list, an hour more than 5 minutes ahead or more than 48 h old,
    /// spans of protection outside the hour, a size that is none.
    pub fn accept(
        &self,
        parts: NonZeroU16,
        chunk_bytes: usize,
        now: Timestamp,
    ) -> Result<AcceptedReport, InvalidReport> {
        self.check_hour(now)?;
        if self.computers.len() > MAX_COMPUTERS {
            return Err(InvalidReport::new("computers", "holds at most 5,000"));
        }
        let no_chunks = || Chunks::of_at_most(chunk_bytes);
        let mut by_part: BTreeMap<Part, Chunks<'_>> = BTreeMap::new();
        let divided = parts > NonZeroU16::MIN && !mutant!(ReportIdIsPerPart);
        if divided || self.computers.is_empty() {
            by_part.insert(Part(0), no_chunks());
        }
        for (n, computer) in self.computers.iter().enumerate() {
            let observation = computer.observe(self.hour).map_err(|(field, problem)| {
                InvalidReport::new(format!("computers[{n}].{field}"), problem)
            })?;
            let part = Part::of(observation.key, parts);
            let intervals = computer.protected.as_ref().map(Vec::len);
            let cloud_account = computer.cloud_account();
            by_part.entry(part).or_insert_with(no_chunks).push(
                observation,
                intervals,
                cloud_account,
            );
        }
        Ok(AcceptedReport {
            account: self.account.clone(),
            hour: self.hour,
            id: self.report_id.clone(),
            fingerprint: self.fingerprint(),
            parts: by_part
                .into_iter()
                .map(|(part, chunks)| (part, chunks.finish()))
                .collect(),
        })
    }

    fn check_hour(&self, now: Timestamp) -> Result<(), InvalidReport> {
        if self.hour.start() > after(now, MAX_AHEAD) {
            return Err(InvalidReport::new("hour", "lies in the future"));
        }
        if self.hour.start() < before(now, MAX_AGE) {
            return Err(InvalidReport::new("hour", "is more than 48 hours old"));
        }
        Ok(())
    }

    /// The hash of what the product sent, written as JSON in one fixed form:
    /// it does not depend on how the computers are classified, which a newer
    /// catalog may change between a report and its repetition.
    fn fingerprint(&self) -> Fingerprint {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        Fingerprint(Sha256::digest(canonical).into())
    }
}

impl ReportedComputer {
    fn cloud_account(&self) -> Option<&CloudAccountId> {
        self.connector.as_ref()?.cloud_account_id.as_ref()
    }

    fn observe(&self, hour: Hour) -> Result<Observation, (&'static str, &'static str)> {
        match self.size {
            Some(Size::Workspace(false)) => {
                return Err(("size.workspace", "is true, or the size is another"));
            }
            Some(Size::Vcpus(0)) => return Err(("size.vcpus", "must be at least 1")),
            Some(Size::Vcpus(_) | Size::InstanceType(_) | Size::Workspace(true)) | None => {}
        }
        let kind = self.connector.as_ref().map(|connector| connector.kind);
        let tier = classify(kind, self.size.as_ref());
        let agent = ComputerKey::of_agent(&self.agent_id);
        let instance = self
            .instance_id
            .as_ref()
            .map(|id| ComputerKey::of_instance(kind, id));
        let spans = self.spans(hour)?;
        let under_cloud = matches!(
            kind,
            Some(ConnectorKind::Aws | ConnectorKind::Azure | ConnectorKind::Gcp)
        );
        Ok(Observation {
            key: instance.unwrap_or(agent),
            agent: instance.map(|_| agent),
            tier,
            vcenter: kind == Some(ConnectorKind::Vcenter),
            cloud_account: self.cloud_account().cloned(),
            protected: if self.offline && !under_cloud && tier == Tier::DataCenter {
                Protected::Offline
            } else {
                spans
            },
        })
    }

    /// The spans of protection, merged, in whole seconds: any part of a second counts.
    fn spans(&self, hour: Hour) -> Result<Protected, (&'static str, &'static str)> {
        let Some(intervals) = &self.protected else {
            return Ok(Protected::WholeHour);
        };
        if intervals.is_empty() || intervals.len() > MAX_SPANS {
            return Err(("protected", "holds 1 to 60 intervals, or is left out"));
        }
        let mut spans = Vec::with_capacity(intervals.len());
        for (from, until) in intervals {
            if from >= until {
                return Err(("protected", "an interval must end after it starts"));
            }
            if *from < hour.start() || *until > hour.end() {
                return Err(("protected", "an interval must lie within the hour"));
            }
            spans.push(Span {
                from: second_of(hour, *from),
                until: second_of(hour, after(*until, SignedDuration::from_nanos(999_999_999))),
            });
        }
        Ok(normalized(spans))
    }
}

/// The second of the hour in which an instant lies, 0 to 3600.
pub fn second_of(hour: Hour, instant: Timestamp) -> u16 {
    let second = instant.as_second() - hour.start().as_second();
    u16::try_from(second.clamp(0, 3600)).unwrap_or(3600)
}

/// Spans sorted and merged where they touch.
fn normalized(mut spans: Vec<Span>) -> Protected {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            Some(_) | None => merged.push(span),
        }
    }
    if merged == [Span::WHOLE] {
        Protected::WholeHour
    } else {
        Protected::Spans(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::packed::CHUNK_BYTES;

    const NOW: &str = "2026-11-22T11:03:00Z";

    fn parse(computers: &str) -> Result<UsageReport, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"account":"acme","hour":"2026-11-22T10:00:00Z","report_id":"r1","computers":{computers}}}"#
        ))
    }

    fn accept(computers: &str) -> Result<AcceptedReport, InvalidReport> {
        accept_at(&parse(computers).unwrap(), NOW)
    }

    fn accept_at(report: &UsageReport, now: &str) -> Result<AcceptedReport, InvalidReport> {
        report.accept(NonZeroU16::MIN, CHUNK_BYTES, now.parse().unwrap())
    }

    fn only(computers: &str) -> Observation {
        let accepted = accept(computers).unwrap();
        accepted.parts[&Part(0)][0][0].clone()
    }

    #[test]
    fn the_body_of_the_design_is_a_report() {
        let observation = only(
            r#"[{"agent_id":"a","instance_id":"i-1","connector":{"kind":"aws","cloud_account_id":"123456789012"},
                 "size":{"instance_type":"m5.large"},"protected":[["2026-11-22T10:10:00Z","2026-11-22T10:20:00Z"]]}]"#,
        );
        assert_eq!(observation.tier, Tier::Large);
        assert_eq!(
            observation.protected,
            Protected::Spans(vec![Span {
                from: 600,
                until: 1200
            }])
        );
    }

    #[test]
    fn an_hour_up_to_five_minutes_ahead_and_48_hours_old_is_taken() {
        let report = parse(r#"[{"agent_id":"a"}]"#).unwrap();
        for (now, taken) in [
            ("2026-11-22T09:54:59Z", false),
            ("2026-11-22T09:55:00Z", true),
            ("2026-11-24T10:00:00Z", true),
            ("2026-11-24T10:00:01Z", false),
        ] {
            assert_eq!(accept_at(&report, now).is_ok(), taken, "{now}");
        }
    }

    #[test]
    fn an_empty_list_is_a_report_of_no_usage_and_not_none() {
        for parts in [1, 4] {
            let report = parse("[]").unwrap();
            let parts = NonZeroU16::new(parts).unwrap();
            let accepted = report.accept(parts, CHUNK_BYTES, NOW.parse().unwrap());
            let expected = BTreeMap::from([(Part(0), vec![Vec::new()])]);
            assert_eq!(accepted.unwrap().parts, expected);
        }
    }

    #[test]
    fn an_oversized_list_is_refused_with_the_field() {
        let mut many = parse(r#"[{"agent_id":"a"}]"#).unwrap();
        many.computers = vec![many.computers[0].clone(); MAX_COMPUTERS + 1];
        let error = accept_at(&many, NOW).unwrap_err();
        assert_eq!(error.field, "computers");
    }

    #[test]
    fn intervals_outside_the_hour_or_backwards_are_refused_with_their_place() {
        for intervals in [
            r#"[["2026-11-22T09:59:59Z","2026-11-22T10:20:00Z"]]"#,
            r#"[["2026-11-22T10:20:00Z","2026-11-22T11:00:01Z"]]"#,
            r#"[["2026-11-22T10:20:00Z","2026-11-22T10:20:00Z"]]"#,
            "[]",
        ] {
            let error = accept(&format!(
                r#"[{{"agent_id":"a"}},{{"agent_id":"b","protected":{intervals}}}]"#
            ))
            .unwrap_err();
            assert_eq!(error.field, "computers[1].protected", "{intervals}");
        }
    }

    #[test]
    fn touching_intervals_become_one_and_any_part_of_a_second_counts() {
        let observation = only(
            r#"[{"agent_id":"a","protected":[["2026-11-22T10:30:00Z","2026-11-22T11:00:00Z"],
                 ["2026-11-22T10:00:00.9Z","2026-11-22T10:30:00Z"]]}]"#,
        );
        assert_eq!(observation.protected, Protected::WholeHour);
        let instant = only(
            r#"[{"agent_id":"a","protected":[["2026-11-22T10:30:00.1Z","2026-11-22T10:30:00.2Z"]]}]"#,
        );
        assert_eq!(
            instant.protected,
            Protected::Spans(vec![Span {
                from: 1800,
                until: 1801
            }])
        );
    }

    #[test]
    fn offline_counts_under_a_cloud_connector_and_not_in_the_data_center() {
        let cloud = only(
            r#"[{"agent_id":"a","offline":true,"connector":{"kind":"azure"},"size":{"vcpus":1}}]"#,
        );
        assert_eq!(cloud.protected, Protected::WholeHour);
        let data_center = only(r#"[{"agent_id":"a","offline":true}]"#);
        assert_eq!(data_center.protected, Protected::Offline);
    }

    #[test]
    fn a_report_divides_alike_however_its_computers_are_classified() {
        // Offline, so that it has no spans where it is Data Center.
        let of = |connector: &str| {
            let computers: Vec<String> = (0..9)
                .map(|n| {
                    format!(
                        r#"{{"agent_id":"a{n}","offline":true,{connector}"protected":
                             [["2026-11-22T10:10:00Z","2026-11-22T10:20:00Z"]]}}"#
                    )
                })
                .collect();
            let report = parse(&format!("[{}]", computers.join(","))).unwrap();
            let accepted = report.accept(NonZeroU16::MIN, 100, NOW.parse().unwrap());
            let chunks = accepted.unwrap().parts.remove(&Part(0)).unwrap();
            chunks.iter().map(Vec::len).collect::<Vec<_>>()
        };
        let azure = of(r#""connector":{"kind":"azure"},"size":{"vcpus":1},"#);
        assert_eq!(of(""), azure);
        assert_eq!(azure, [3, 3, 3]);
    }

    #[test]
    fn of_a_divided_account_part_0_is_always_there() {
        let report = parse(r#"[{"agent_id":"a"}]"#).unwrap();
        let parts = NonZeroU16::new(64).unwrap();
        let accepted = report.accept(parts, CHUNK_BYTES, NOW.parse().unwrap());
        let parts = accepted.unwrap().parts;
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[&Part(0)], [Vec::new()]);
    }

    #[test]
    fn more_intervals_than_sixty_are_refused_with_their_place() {
        let interval = r#"["2026-11-22T10:10:00Z","2026-11-22T10:20:00Z"]"#;
        for (count, taken) in [(60, true), (61, false)] {
            let intervals = vec![interval; count].join(",");
            let accepted = accept(&format!(
                r#"[{{"agent_id":"a","protected":[{intervals}]}}]"#
            ));
            let field = accepted.err().map(|error| error.field);
            assert_eq!(field.is_none(), taken);
            assert!(field.is_none_or(|field| field == "computers[0].protected"));
        }
    }

    #[test]
    fn an_unknown_connector_and_an_unknown_field_are_refused() {
        assert!(parse(r#"[{"agent_id":"a","connector":{"kind":"mainframe"}}]"#).is_err());
        assert!(parse(r#"[{"agent_id":"a","colour":"red"}]"#).is_err());
    }

    #[test]
    fn the_same_content_has_the_same_fingerprint_and_other_content_another() {
        let one = accept(r#"[{"agent_id":"a","connector":null}]"#).unwrap();
        let same = accept(r#"[{"agent_id":"a"}]"#).unwrap();
        let other = accept(r#"[{"agent_id":"a","offline":true}]"#).unwrap();
        assert_eq!(one.fingerprint, same.fingerprint);
        assert_ne!(one.fingerprint, other.fingerprint);
    }
}
