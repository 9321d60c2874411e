//! The history that stands around every job in the list: older jobs that resemble it without being it.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::state::{ID_STEP, Job, JobEnd, JobKind};

/// Older jobs of the same extract, whose descriptions and ids resemble this one's without being it.
pub(super) fn look_alikes(job: &Job) -> Vec<Job> {
    if !matches!(job.kind, JobKind::Single | JobKind::Recurring) {
        return Vec::new();
    }
    let mut requests = Vec::new();
    let description = job.text("description").unwrap_or_default();
    let uuid = job.text("clientRequestUuid").unwrap_or_default();
    let mut uuids = resembling(uuid).into_iter();
    for description in resembling_descriptions(description, job.extract()) {
        requests.push((Some(description), uuids.next()));
    }
    requests.push((Some(format!("Nightly::{}::Full::Daily", job.extract())), None));
    requests.push((None, uuids.next()));
    let older = |(place, (description, uuid)): (u64, (Option<String>, Option<String>))| {
        let mut alike = job.clone();
        alike.id = job.id.saturating_sub(1 + place);
        alike.kind = JobKind::Planted;
        alike.request.remove("runAtTimes");
        replace_text(&mut alike.request, "description", description);
        replace_text(&mut alike.request, "clientRequestUuid", uuid);
        let hours = i64::try_from(place + 1).unwrap_or(1);
        let at = job.submitted_at.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(job.submitted_at);
        alike.submitted_at = at;
        alike.window = None;
        alike.end = Some(JobEnd { status: "SUCCEEDED".to_owned(), message: None, at, polls: 1 });
        alike
    };
    (0..ID_STEP - 1).zip(requests).map(older).collect()
}

fn replace_text(request: &mut Map<String, Value>, field: &str, text: Option<String>) {
    match text {
        Some(text) => request.insert(field.to_owned(), Value::String(text)),
        None => request.remove(field),
    };
}

/// The convention is `<name>::<extract>::<Full|Incremental>::<recurrence>`, so what tells runs apart is the
/// longest part that is none of the last three; whatever stands behind the recurrence stays.
fn resembling_descriptions(description: &str, extract: &str) -> Vec<String> {
    const FIXED: [&str; 9] =
        ["Full", "Incremental", "Immediate", "Simple", "Hourly", "Daily", "Weekly", "Monthly", "Yearly"];
    let parts: Vec<&str> = description.split("::").collect();
    let own = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| **part != extract && !FIXED.contains(&part.split(' ').next().unwrap_or_default()))
        .max_by_key(|(_, part)| part.len());
    let Some((place, own)) = own else { return Vec::new() };
    let with = |other: String| {
        let mut parts: Vec<&str> = parts.clone();
        if let Some(part) = parts.get_mut(place) {
            *part = &other;
        }
        parts.join("::")
    };
    resembling(own).into_iter().map(with).collect()
}

/// Longer, shorter, and in another case; never the text itself.
fn resembling(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut shorter = text.to_owned();
    shorter.pop();
    let alike = [
        format!("re-{text}"),
        format!("{text}-2"),
        format!("{text}0"),
        format!("{text} "),
        shorter,
        text.to_uppercase(),
        text.to_lowercase(),
    ];
    alike.into_iter().filter(|other| other != text && !other.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1: a run key found by prefix, by suffix or without regard to case is another run's.
    #[test]
    fn look_alikes_differ_in_the_part_that_tells_runs_apart_and_in_nothing_else() {
        let alike =
            resembling_descriptions("carriers-T06::SimpleCarriers::Full::Immediate", "SimpleCarriers");
        assert!(alike.contains(&"carriers-T06-2::SimpleCarriers::Full::Immediate".to_owned()));
        assert!(alike.contains(&"re-carriers-T06::SimpleCarriers::Full::Immediate".to_owned()));
        assert!(alike.contains(&"carriers-t06::SimpleCarriers::Full::Immediate".to_owned()));
        assert!(alike.iter().all(|one| one.ends_with("::SimpleCarriers::Full::Immediate")));
        assert!(!alike.contains(&"carriers-T06::SimpleCarriers::Full::Immediate".to_owned()));
        let marked = "k::SimpleCarriers::Full::Immediate 6b1b-4f07";
        assert!(resembling_descriptions(marked, "SimpleCarriers").contains(&marked.replace("k::", "re-k::")));
    }

    #[test]
    fn a_free_description_is_varied_as_a_whole() {
        assert!(resembling_descriptions("run 7", "X").contains(&"run 7-2".to_owned()));
        assert!(resembling_descriptions("", "X").is_empty());
    }
}
