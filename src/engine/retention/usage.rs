//! How much room an interface takes, and when there is none any more.
//!
//! Once a day each folder is measured, file by file, by the day it is of; what was found
//! stands in `usage.json` beside the ledger. From that a forecast goes day by day: what
//! comes, as much as in the last weeks; what leaves with its time, which is known of every
//! day that is there; and the rest, which grows as it grew. The disk is shared, so there
//! the interfaces of one spool count together.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{day_of, number};
use crate::crashpoint::crashpoint;
use crate::disk::{self, failed};
use crate::engine::error::EngineError;
use crate::engine::files::days;
use crate::engine::pass::Engine;
use crate::spool::Spool;

/// Days that are looked back for what comes, and how many there must be.
const BACK: u64 = 28;
const LEAST: u64 = 3;
/// Days that are looked ahead: ten years.
const AHEAD: u64 = 3652;

/// What an interface took on one day, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// When, unix seconds.
    pub at: i64,
    /// The day at the practice then, since 1970.
    day: u64,
    /// Bytes of all that leaves with its time.
    series: Vec<Series>,
    /// Bytes of the rest (the ledger, the register, what waits), on each of the last days.
    rest: BTreeMap<u64, u64>,
    /// Bytes that it may take, and bytes of the disk that must stay free.
    quota: Option<u64>,
    floor: u64,
}

/// What is kept for as many days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Series {
    /// Days that it stays; none: for ever.
    keep: Option<u32>,
    /// Bytes by the day they are of.
    days: BTreeMap<u64, u64>,
}

/// How it stands with room, and how it will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// When it was measured, unix seconds.
    pub measured_at: i64,
    /// Bytes that the interface takes.
    pub used: u64,
    /// Bytes that are left, of the quota or of the disk.
    pub room: u64,
    /// What ends it: the quota, or the disk.
    pub limit: Limit,
    /// Bytes that come on a day; none while too few days are known.
    pub per_day: Option<u64>,
    /// Days until there is no room; none: not in ten years, or not known.
    pub full_in: Option<u64>,
}

/// What ends the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// `quota_mib`.
    Quota,
    /// The disk.
    Disk,
}

impl Survey {
    /// Returns all bytes.
    fn bytes(&self) -> u64 {
        self.rest_now() + self.series.iter().flat_map(|one| one.days.values()).sum::<u64>()
    }

    fn rest_now(&self) -> u64 {
        self.rest.values().next_back().copied().unwrap_or(0)
    }

    /// Returns bytes that come on a day; none while too few days are known.
    fn per_day(&self) -> Option<u64> {
        let first = self.series.iter().filter_map(|one| one.days.keys().next()).min()?;
        let known = self.day.saturating_sub(*first);
        (known >= LEAST).then(|| self.series.iter().map(|one| one.per_day(self.day, known)).sum())
    }

    /// Returns bytes that it will take some days after it was measured.
    fn after(&self, later: u64) -> u64 {
        let first = self.series.iter().filter_map(|one| one.days.keys().next()).min();
        let known = first.map_or(0, |first| self.day.saturating_sub(*first));
        let series = self.series.iter().map(|one| one.after(self.day, known, later));
        let rest = self.rest_now() + self.rest_per_day() * later;
        rest + series.sum::<u64>()
    }

    /// Returns by how much the rest grows on a day.
    fn rest_per_day(&self) -> u64 {
        let (Some((from, first)), Some((to, last))) =
            (self.rest.first_key_value(), self.rest.last_key_value())
        else {
            return 0;
        };
        if to - from < LEAST { 0 } else { last.saturating_sub(*first) / (to - from) }
    }
}

impl Series {
    /// The mean of the last full days: today is not over.
    fn per_day(&self, today: u64, known: u64) -> u64 {
        let span = known.clamp(1, BACK);
        self.days.range(today.saturating_sub(span)..today).map(|(_, bytes)| bytes).sum::<u64>()
            / span
    }

    fn after(&self, today: u64, known: u64, later: u64) -> u64 {
        let Some(keep) = self.keep.map(u64::from) else {
            return self.days.values().sum::<u64>() + self.per_day(today, known) * later;
        };
        // What is of a day stays for so many days behind it.
        let stays = (today + later).saturating_sub(keep);
        let kept: u64 = self.days.range(stays..).map(|(_, bytes)| bytes).sum();
        kept + self.per_day(today, known) * later.min(keep)
    }
}

/// Measures the folders of an interface, and keeps what was found.
///
/// # Errors
/// Those of the disk.
pub fn survey(engine: &Engine) -> Result<(), EngineError> {
    let path = file(&engine.spool.root);
    let day = number(engine.today());
    let before = read(&path);
    let mut rest = before.map(|survey| survey.rest).unwrap_or_default();
    rest.retain(|known, _| *known < day && *known + BACK >= day);
    rest.insert(day, rest_of(&engine.spool));
    let keep = engine.agreement.scope.retention;
    let survey = Survey {
        at: engine.clock.unix(),
        day,
        series: vec![
            shelf(&engine.spool.sent, keep.sent())?,
            shelf(&engine.spool.archive, keep.archive())?,
            shelf(&engine.spool.responses, keep.responses_days)?,
            indexes(engine, keep.queue_days)?,
        ],
        rest,
        quota: keep.quota,
        floor: engine.agreement.scope.pickup.disk_floor_mib << 20,
    };
    let text = serde_json::to_vec(&survey)
        .map_err(|err| EngineError::Refused { what: format!("usage.json: {err}") })?;
    let part = path.with_extension("part");
    disk::write(&part, &text)?;
    crashpoint("retention.usage").map_err(failed("write", &path))?;
    Ok(disk::shift(&part, &path)?)
}

fn file(root: &Path) -> PathBuf {
    root.join("usage.json")
}

fn read(path: &Path) -> Option<Survey> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Bytes of a shelf, by its days' folders.
fn shelf(shelf: &Path, keep: Option<u32>) -> Result<Series, EngineError> {
    let mut series = Series { keep, ..Series::default() };
    for folder in days(shelf)? {
        let Some(day) = day_of(&folder) else { continue };
        let bytes = Spool::list(&folder)?.iter().map(|name| bytes_of(&folder.join(name))).sum();
        series.days.insert(number(day), bytes);
    }
    Ok(series)
}

/// Bytes of the indexes, by the day they were written on.
fn indexes(engine: &Engine, keep: Option<u32>) -> Result<Series, EngineError> {
    let mut series = Series { keep, ..Series::default() };
    for drop in engine.spool.indexes()? {
        let Ok(found) = engine.spool.index_of(drop).symlink_metadata() else { continue };
        let day = number(engine.date_of(found.mtime()));
        *series.days.entry(day).or_default() += found.len();
    }
    Ok(series)
}

/// Bytes of all the rest.
fn rest_of(spool: &Spool) -> u64 {
    let shelves = [&spool.sent, &spool.archive, &spool.responses, &spool.index];
    let mut bytes = 0;
    let mut folders = vec![spool.root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if shelves.contains(&&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => bytes += bytes_of(&path),
                _ => {}
            }
        }
    }
    bytes + folder_files(&spool.odd)
}

fn folder_files(folder: &Path) -> u64 {
    let names = Spool::list(folder).unwrap_or_default();
    names.iter().map(|name| bytes_of(&folder.join(name))).sum()
}

fn bytes_of(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |found| found.len())
}

/// Returns why nothing is taken in, where the quota is used up.
///
/// # Errors
/// Those of the disk.
pub fn used_up(engine: &Engine) -> Result<Option<String>, EngineError> {
    if engine.quota_left() != Some(0) {
        return Ok(None);
    }
    // It was measured at the beginning of the day, and somebody may have made room.
    survey(engine)?;
    let why = "quota_mib is used up: nothing is taken in until something leaves with its time, or \
               somebody makes room; see `hl7drop prune --dry-run`";
    Ok((engine.quota_left() == Some(0)).then(|| why.to_string()))
}

/// Returns the forecast for the interface whose folders are below `root`, at a time; none
/// before it was measured.
pub fn forecast(root: &Path, now: i64) -> Option<Forecast> {
    let own = read(&file(root))?;
    let free = disk::free(root).unwrap_or(u64::MAX);
    let all = neighbours(root);
    let age = u64::try_from((now - own.at) / 86_400).unwrap_or(0);
    Some(of(&own, &all, free, age))
}

/// Returns what was measured of all interfaces of the spool, this one among them.
fn neighbours(root: &Path) -> Vec<Survey> {
    let Some(spool) = root.parent().and_then(Path::parent) else { return Vec::new() };
    let below = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    below(spool).iter().flat_map(|one| below(one)).filter_map(|one| read(&file(&one))).collect()
}

/// The forecast, `age` days after it was measured.
fn of(own: &Survey, all: &[Survey], free: u64, age: u64) -> Forecast {
    let used = own.bytes();
    let quota = own.quota.map(|quota| quota.saturating_sub(used));
    let of_disk = free.saturating_sub(own.floor);
    let known = own.per_day().is_some();
    let by_quota = quota.and_then(|room| first_day(std::slice::from_ref(own), room));
    let by_disk = first_day(all, of_disk);
    let full = [by_quota, by_disk].into_iter().flatten().min().filter(|_| known);
    let limit = match (quota, by_quota, by_disk) {
        (Some(_), Some(quota), Some(disk)) if disk < quota => Limit::Disk,
        (Some(_), None, Some(_)) | (None, ..) => Limit::Disk,
        (Some(room), ..) if room > of_disk => Limit::Disk,
        _ => Limit::Quota,
    };
    let room = if limit == Limit::Disk { of_disk } else { quota.unwrap_or(of_disk) };
    Forecast {
        measured_at: own.at,
        used,
        room,
        limit,
        per_day: own.per_day(),
        full_in: full.map(|day| day.saturating_sub(age)),
    }
}

/// Returns the day on which these take so much more than now.
fn first_day(all: &[Survey], room: u64) -> Option<u64> {
    let all = all.iter().filter(|one| one.per_day().is_some());
    let all: Vec<&Survey> = all.collect();
    let sum = |later| all.iter().map(|one| one.after(later)).sum::<u64>();
    let now = sum(0);
    (0..AHEAD).find(|later| sum(*later).saturating_sub(now) > room)
}

impl Engine {
    /// Returns how it stands with room, as it was measured last; none before that.
    pub fn forecast(&self) -> Option<Forecast> {
        forecast(&self.spool.root, self.clock.unix())
    }

    /// Returns bytes of the quota that are left, by the last measure and what came since;
    /// none where there is no quota.
    pub(in crate::engine) fn quota_left(&self) -> Option<u64> {
        let quota = self.agreement.scope.retention.quota?;
        let used = read(&file(&self.spool.root)).map_or(0, |survey| survey.bytes());
        Some(quota.saturating_sub(used))
    }
}

impl Forecast {
    /// Returns it in a sentence, as people read it.
    pub fn text(&self) -> String {
        let left = match self.limit {
            Limit::Quota => "of the quota",
            Limit::Disk => "on the disk",
        };
        let end = match (self.per_day, self.full_in) {
            (None, _) => "when it is full is known after three days".to_string(),
            (_, Some(0)) => "it is full".to_string(),
            (_, Some(1)) => "full in 1 day".to_string(),
            (_, Some(days)) => format!("full in {days} days"),
            (_, None) => "not full in ten years, as it goes now".to_string(),
        };
        format!("{} used, {} left {left}; {end}", bytes(self.used), bytes(self.room))
    }
}

/// Returns bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..10_737_418_240 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interface that gets so many bytes on each of `days` days before day 1000.
    fn survey(per_day: u64, days: u64, keep: Option<u32>) -> Survey {
        let days = (1000 - days..1000).map(|day| (day, per_day)).collect();
        Survey {
            at: 0,
            day: 1000,
            series: vec![Series { keep, days }],
            rest: [(1000, 500)].into(),
            quota: None,
            floor: 0,
        }
    }

    #[test]
    fn what_is_kept_for_ever_fills_the_room_at_its_pace() {
        let one = survey(10, 5, None);
        assert_eq!((one.bytes(), one.per_day(), one.after(7)), (550, Some(10), 620));
        let told = of(&one, std::slice::from_ref(&one), 100, 0);
        assert_eq!((told.full_in, told.limit, told.room), (Some(11), Limit::Disk, 100));
        assert_eq!(of(&one, std::slice::from_ref(&one), 100, 4).full_in, Some(7));
        let two = [one.clone(), one.clone()];
        assert_eq!(of(&one, &two, 100, 0).full_in, Some(6), "a disk is shared");
        assert_eq!(bytes(told.used), "0 KiB");
    }

    #[test]
    fn what_leaves_with_its_time_fills_no_more_than_its_days() {
        let one = survey(10, 5, Some(90));
        assert_eq!((one.after(85), one.after(90), one.after(3000)), (1400, 1400, 1400));
        let quota = |quota| {
            let one = Survey { quota: Some(quota), ..one.clone() };
            of(&one, std::slice::from_ref(&one), u64::MAX, 0)
        };
        assert_eq!((quota(1000).full_in, quota(1000).limit), (Some(46), Limit::Quota));
        assert_eq!((quota(1400).full_in, quota(1399).full_in), (None, Some(85)));
        assert!(quota(1000).text().ends_with("left of the quota; full in 46 days"));
        // Kept for 90 days since they are there: as much leaves as comes.
        assert_eq!(survey(10, 90, Some(90)).after(50), survey(10, 90, Some(90)).after(0));
    }

    #[test]
    fn a_first_day_says_nothing_and_the_rest_grows_as_it_grew() {
        let new = survey(10, 2, None);
        let told = of(&new, std::slice::from_ref(&new), 5, 0);
        assert_eq!((told.per_day, told.full_in), (None, None));
        assert!(told.text().ends_with("is known after three days"), "{}", told.text());
        let rest = BTreeMap::from([(990, 100), (1000, 200)]);
        let grown = Survey { rest, ..survey(0, 5, None) };
        assert_eq!((grown.after(0), grown.after(10)), (200, 300));
    }
}
