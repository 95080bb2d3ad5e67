//! Parts that many pages share: times, numbers, states, notices.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::refusal::Refusal;
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

/// The most characters of a reason.
const REASON_CHARS_MAX: usize = 500;

/// Returns the reason that was given for a decision.
///
/// # Errors
/// That it is missing, or no short line of text.
pub fn reason(why: &str) -> Result<&str, Refusal> {
    let why = why.trim();
    if why.is_empty() {
        let text = "say why: it is kept in the ledger, with your name".to_string();
        return Err(Refusal::Bad(text));
    }
    if why.chars().any(char::is_control) || why.chars().count() > REASON_CHARS_MAX {
        return Err(Refusal::Bad(format!(
            "a reason is one line of at most {REASON_CHARS_MAX} characters"
        )));
    }
    Ok(why)
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

/// Returns a text as a value of a query.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns a size: `1.2 MB`.
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 1000.0 || unit == "GB" {
            return if unit == "bytes" {
                format!("{bytes} bytes")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    String::new()
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

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(
            [0, 999, 1500, 2_500_000].map(bytes),
            ["0 bytes", "999 bytes", "1.5 kB", "2.5 MB"]
        );
    }

    #[test]
    fn a_value_of_a_query_ends_where_it_should() {
        assert_eq!(escaped("/a?b=c&d"), "/a%3Fb%3Dc%26d");
    }
}
