//! Parts that many pages share: times, numbers, states, notices.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::domain::QueueState;

/// Returns a time at the practice, to the second, which machines read too.
pub fn time(unix: i64, zone: &TimeZone) -> Markup {
    let Ok(stamp) = Timestamp::from_second(unix) else { return html! { (unix) } };
    let zoned = stamp.to_zoned(zone.clone());
    html! {
        time datetime=(stamp.to_string()) title=(zoned.strftime("%Y-%m-%d %H:%M:%S %Z")) {
            (zoned.strftime("%b %-d, %H:%M:%S"))
        }
    }
}

/// Returns how long ago something was: `3 min ago`.
pub fn ago(unix: i64, now: i64) -> String {
    match now - unix {
        ..60 => "just now".to_string(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// Returns a span of time in its largest unit.
pub fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Returns a number with commas: `1,234`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns `1 record`, `2 records`.
pub fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// Returns a state by its word, with what it means.
pub fn state(state: QueueState) -> Markup {
    let class = match state {
        QueueState::Processed => "state good",
        QueueState::Error | QueueState::CboError | QueueState::AthenaError => "state bad",
        QueueState::Scheduled | QueueState::Deleted => "state off",
        _ => "state going",
    };
    html! { span class=(class) title=(words(state)) { (state) } }
}

/// Returns what a state means, in a few words.
pub fn words(state: QueueState) -> &'static str {
    match state {
        QueueState::Scheduled => "held, or waiting for their time",
        QueueState::New => "promised, not yet sent",
        QueueState::Distributed => "some endpoints have them",
        QueueState::Pending => "on their way",
        QueueState::Processed => "delivered",
        QueueState::Error => "wait for the practice",
        QueueState::CboError => "wait for billing",
        QueueState::AthenaError => "wait for the operator",
        QueueState::Deleted => "closed by somebody",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_practices_and_read_by_machines_too() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let html = time(1_779_274_800, &zone).into_string();
        assert!(html.contains("datetime=\"2026-05-20T11:00:00Z\""), "{html}");
        assert!(html.contains(">May 20, 07:00:00<"), "{html}");
        assert_eq!(
            [30, 90, 7200, 259_200].map(|ago_s| ago(0, ago_s)),
            ["just now", "1 min ago", "2 h ago", "3 days ago"]
        );
    }
}
