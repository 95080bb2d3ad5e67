//! What a try decides, answer by answer: a server that answers some requests as a test
//! wants it, over a folder that has what it has. Engine, ledger and folders are the real
//! ones. `delivery.md` section 3, and its tables in `ARCHITECTURE.md`.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use hl7drop::clock::Clock;
use hl7drop::delivery::{Delivery, DeliveryError, Folder, Listed, Result as Answered, Server};
use hl7drop::digest::Digest;
use hl7drop::domain::{Endpoint, Method};
use hl7drop::ledger::{Sign, Stage};
use jiff::ToSpan;
use jiff::civil::DateTime;

use crate::site::Site;

const BATCH: &str = "99999-000001.hl7";
const PATIENTS: &str = "event,patientid,lastname,firstname,dob,sex\nadd,1,Doe,Ann,02/14/1987,F\n";

/// How a request is answered that a test has an answer for.
#[derive(Clone, Copy)]
struct Answer {
    /// Whether it is done.
    does: bool,
    /// What happens at the server besides, before the answer.
    change: fn(&Path),
    /// The answer; none is the true one.
    says: Option<fn() -> DeliveryError>,
}

/// It is not done, and the server says so.
fn not(says: fn() -> DeliveryError) -> Answer {
    Answer { does: false, change: |_| (), says: Some(says) }
}

/// It is done, and the server says something else.
fn done(says: fn() -> DeliveryError) -> Answer {
    Answer { does: true, change: |_| (), says: Some(says) }
}

/// It is done, and something happens to it.
fn and(change: fn(&Path)) -> Answer {
    Answer { does: true, change, says: None }
}

/// Something else is done.
fn but(change: fn(&Path), says: fn() -> DeliveryError) -> Answer {
    Answer { does: false, change, says: Some(says) }
}

fn lost() -> DeliveryError {
    DeliveryError::Lost { server: "there".into(), step: "go on", what: "cut".into() }
}

fn denied() -> DeliveryError {
    DeliveryError::Denied { server: "there".into(), step: "touch", path: "it".into() }
}

fn refused() -> DeliveryError {
    DeliveryError::Refused { server: "there".into(), step: "touch", path: "it".into() }
}

fn not_found() -> DeliveryError {
    DeliveryError::NotFound { path: "it".into() }
}

fn exists() -> DeliveryError {
    DeliveryError::Exists { path: "it".into() }
}

fn last(there: &Path) -> PathBuf {
    there.join(BATCH)
}

fn temp(there: &Path) -> PathBuf {
    let mut parts = names(there).into_iter().filter(|name| name.ends_with(".part"));
    there.join(parts.next_back().unwrap())
}

fn names(there: &Path) -> Vec<String> {
    let entries = fs::read_dir(there).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// As long as ours, and another file.
fn others(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>()).unwrap();
}

/// The vendor's end.
struct There {
    folder: Folder,
    root: PathBuf,
    answers: Vec<(&'static str, Answer)>,
    uploads: Arc<AtomicU32>,
}

impl There {
    /// Does a request, called `size final` or `rename`, or answers it otherwise.
    fn answer<T>(
        &mut self,
        request: &str,
        work: impl FnOnce(&mut Folder) -> Answered<T>,
    ) -> Answered<T> {
        let Some((_, answer)) = self.answers.iter().find(|(of, _)| *of == request).copied() else {
            return work(&mut self.folder);
        };
        let true_one = answer.does.then(|| work(&mut self.folder));
        (answer.change)(&self.root);
        match (answer.says, true_one) {
            (Some(says), _) => Err(says()),
            (None, Some(true_one)) => true_one,
            (None, None) => unreachable!("neither done nor answered"),
        }
    }

    fn of(verb: &str, name: &str) -> String {
        format!("{verb} {}", if name == BATCH { "final" } else { "temp" })
    }
}

impl Delivery for There {
    fn server(&self) -> Server {
        self.folder.server()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path(name)
    }

    fn size(&mut self, name: &str) -> Answered<Option<u64>> {
        self.answer(&There::of("size", name), |folder| folder.size(name))
    }

    fn upload(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Answered<()> {
        self.uploads.fetch_add(1, Ordering::Relaxed);
        self.answer("upload", |folder| folder.upload(name, from, bytes))
    }

    fn digest(&mut self, name: &str) -> Answered<Digest> {
        self.answer(&There::of("digest", name), |folder| folder.digest(name))
    }

    fn rename(&mut self, from: &str, to: &str) -> Answered<()> {
        self.answer("rename", |folder| folder.rename(from, to))
    }

    fn remove(&mut self, name: &str) -> Answered<()> {
        self.answer(&There::of("remove", name), |folder| folder.remove(name))
    }

    fn list(&mut self) -> Answered<Vec<Listed>> {
        self.folder.list()
    }

    fn fetch(&mut self, name: &str, to: &mut dyn Write, limit: u64) -> Answered<u64> {
        self.folder.fetch(name, to, limit)
    }
}

/// One batch on its way.
struct Story {
    site: Site,
    now: Mutex<DateTime>,
    uploads: Arc<AtomicU32>,
}

/// What became of the batch in a run: its stage, and the evidence or what people are told.
type End = (Stage, Result<String, String>);

impl Story {
    fn new(settings: &str) -> Story {
        let site = Site::new();
        let text = fs::read_to_string(site.interface_file()).unwrap();
        fs::write(site.interface_file(), format!("{text}{settings}\n")).unwrap();
        site.put("patients.csv", PATIENTS);
        let now = Mutex::new("2026-05-20T11:00:00".parse().unwrap());
        Story { site, now, uploads: Arc::default() }
    }

    /// As [`Story::new`], and its first try went as far as the rename, whose answer was lost.
    fn verified(settings: &str, rename: Answer) -> Story {
        let story = Story::new(settings);
        let (stage, told) = story.run(&[("rename", rename)]);
        assert!(stage == Stage::Verified && told.unwrap_err().contains("lost"));
        story
    }

    fn there(&self) -> &Path {
        &self.site.partner
    }

    /// A run some minutes later, of somebody who mended what had stopped.
    fn run(&self, answers: &[(&'static str, Answer)]) -> End {
        self.pass(20);
        let mut engine = self.site.engine();
        engine.clock = Clock::Fixed(*self.now.lock().unwrap());
        let (answers, uploads) = (answers.to_vec(), self.uploads.clone());
        engine.open_delivery = Arc::new(move |_: &Endpoint, place: &Method| {
            let Method::Folder(root) = place else { unreachable!("it is a folder") };
            let (answers, uploads) = (answers.clone(), uploads.clone());
            let folder = Folder::open(root)?;
            Ok(Box::new(There { folder, root: root.clone(), answers, uploads }) as _)
        });
        let sign = Sign { by: "anna".into(), why: "mended".into(), at: engine.clock.unix() };
        let mut summary = engine.run(Some(&sign)).unwrap();
        let delivered = summary.deliveries.remove(0);
        assert!(summary.deliveries.is_empty() && delivered.file == BATCH);
        let told = delivered.outcome.map(|receipt| receipt.evidence);
        (delivered.stage, told.map_err(|failure| failure.what))
    }

    fn pass(&self, minutes: i64) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(minutes.minutes()).unwrap();
    }

    fn uploads(&self) -> u32 {
        self.uploads.load(Ordering::Relaxed)
    }

    /// It went out, whole, and nothing else is there.
    fn is_there(&self) {
        assert_eq!(names(self.there()), [BATCH]);
        let sent = Digest::of(&fs::read(last(self.there())).unwrap());
        let day = fs::read_dir(self.site.spool().sent).unwrap().next().unwrap().unwrap().path();
        assert_eq!(sent, Digest::of(&fs::read(day.join(BATCH)).unwrap()));
    }
}

fn seen() -> End {
    (Stage::Delivered, Ok("seen".into()))
}

fn renamed() -> End {
    (Stage::Delivered, Ok("renamed".into()))
}

/// It waits at this stage, and people are told so.
fn waits((stage, told): End, at: Stage, what: &str) {
    let told = told.unwrap_err();
    assert_eq!(stage, at, "{told}");
    assert!(told.contains(what), "{what}: {told}");
}

/// The table: a batch whose rename may have happened, both names as the server tells them.
#[test]
fn what_both_names_say_decides_about_a_rename_whose_answer_was_lost() {
    type Case = (Answer, fn(&Path), &'static [(&'static str, fn() -> DeliveryError)], End);
    let inferred = || (Stage::Delivered, Ok("inferred".to_string()));
    let cases: Vec<Case> = vec![
        (not(lost), |_| (), &[], renamed()),
        (done(lost), |_| (), &[], seen()),
        // OpenSSH links, then unlinks.
        (
            done(lost),
            |at| drop(fs::copy(last(at), at.join(format!(".{BATCH}.1.part")))),
            &[],
            seen(),
        ),
        (done(lost), |at| fs::remove_file(last(at)).unwrap(), &[], inferred()),
        (done(lost), |_| (), &[("size temp", denied)], seen()),
        (done(lost), |_| (), &[("digest final", denied)], seen()),
        // Taken between the two looks.
        (done(lost), |_| (), &[("digest final", not_found)], inferred()),
        (not(lost), |_| (), &[("size temp", denied), ("size final", denied)], renamed()),
        (not(lost), |_| (), &[("size temp", denied)], renamed()),
        (not(lost), |_| (), &[("size final", denied)], renamed()),
        (
            done(lost),
            |_| (),
            &[("size temp", denied), ("size final", denied), ("rename", not_found)],
            inferred(),
        ),
    ];
    for (at, (rename, change, answers, end)) in cases.into_iter().enumerate() {
        let story = Story::verified("", rename);
        change(story.there());
        let answers: Vec<_> =
            answers.iter().map(|(request, says)| (*request, not(*says))).collect();
        assert_eq!(story.run(&answers), end, "case {at}");
        assert_eq!(story.uploads(), 1, "case {at}: from there on nothing is sent again");
        if end.1.as_deref() != Ok("inferred") {
            story.is_there();
        }
    }
}

#[test]
fn what_only_a_person_can_tell_waits_and_is_not_sent_again() {
    // Longer ago than our own rename can have been the last at it.
    let story = Story::verified("", done(lost));
    fs::remove_file(last(story.there())).unwrap();
    story.pass(41);
    waits(story.run(&[]), Stage::Uncertain, "longer ago than can be told");

    // The window's last second.
    let story = Story::verified("", done(lost));
    fs::remove_file(last(story.there())).unwrap();
    story.pass(40);
    assert_eq!(story.run(&[]).1.unwrap(), "inferred");

    // A clock that was set back says nothing of when it was.
    let story = Story::verified("", done(lost));
    fs::remove_file(last(story.there())).unwrap();
    story.pass(-21);
    waits(story.run(&[]), Stage::Uncertain, "longer ago than can be told");

    // It was there to be seen: the rename that begins then is the one that counts.
    let story = Story::verified("", not(lost));
    story.pass(300);
    waits(story.run(&[("rename", done(lost))]), Stage::Verified, "lost");
    fs::remove_file(last(story.there())).unwrap();
    assert_eq!(story.run(&[]).1.unwrap(), "inferred");

    let story = Story::verified("on_inferred = \"hold\"", done(lost));
    fs::remove_file(last(story.there())).unwrap();
    waits(story.run(&[]), Stage::Uncertain, "on_inferred = \"hold\"");
    assert_eq!(story.uploads(), 1);

    let story = Story::verified("", done(lost));
    others(&last(story.there()));
    waits(story.run(&[]), Stage::Conflict, "exists with other bytes; it is not overwritten");
    assert_eq!((story.uploads(), names(story.there())), (1, vec![BATCH.to_string()]));

    // Somebody shortened what was whole.
    let story = Story::verified("", not(lost));
    fs::write(temp(story.there()), "FHS|").unwrap();
    waits(story.run(&[]), Stage::Sending, "changed after it was verified");
    assert_eq!(story.run(&[]), renamed());
    assert_eq!(story.uploads(), 2);
    story.is_there();
}

#[test]
fn a_rename_that_was_answered_otherwise_is_looked_at() {
    // This very try saw the temporary file, so it was not our rename that took it.
    let story = Story::new("");
    let took = but(|at| fs::remove_file(temp(at)).unwrap(), not_found);
    waits(story.run(&[("rename", took)]), Stage::Uncertain, "gone before it could be renamed");

    let hides =
        |rename| [("rename", rename), ("size temp", not(denied)), ("size final", not(denied))];
    let story = Story::new("");
    waits(story.run(&hides(not(not_found))), Stage::Uncertain, "gone before it could be renamed");
    let story = Story::new("");
    let end = story.run(&hides(not(refused)));
    waits(end, Stage::Uncertain, "refused the rename and does not let us look");
    assert_eq!(story.uploads(), 1);

    let story = Story::new("");
    waits(story.run(&[("rename", not(refused))]), Stage::Verified, "refused to rename the file");
    assert_eq!(story.run(&[]), renamed());
    assert_eq!(story.uploads(), 1, "it was whole there");
    story.is_there();

    // Half done: linked, and not unlinked.
    let linked = |at: &Path| assert!(fs::copy(temp(at), last(at)).is_ok());
    let story = Story::new("");
    assert_eq!(story.run(&[("rename", but(linked, refused))]), seen());
    story.is_there();
    // ... where the temporary name may not be removed, it stays, and the line may be lost.
    let story = Story::new("");
    let answers = [("rename", but(linked, refused)), ("remove temp", not(denied))];
    assert_eq!(story.run(&answers), seen());
    assert_eq!(names(story.there()).len(), 2);
    let story = Story::new("");
    let answers = [("rename", but(linked, refused)), ("remove temp", not(lost))];
    waits(story.run(&answers), Stage::Verified, "lost");
    assert_eq!(story.run(&[]), seen());
    story.is_there();

    for says in [exists as fn() -> DeliveryError, refused] {
        let story = Story::new("");
        let taken = but(|at| fs::write(last(at), "the vendor's own").unwrap(), says);
        waits(story.run(&[("rename", taken)]), Stage::Conflict, "it is not overwritten");
        assert_eq!(fs::read(last(story.there())).unwrap(), b"the vendor's own");
    }
}

#[test]
fn what_a_rename_made_is_looked_at() {
    let story = Story::new("");
    let cut = and(|at| fs::write(last(at), "FHS|").unwrap());
    waits(story.run(&[("rename", cut)]), Stage::Conflict, "exists with other bytes");

    let gone = and(|at| fs::remove_file(last(at)).unwrap());
    let story = Story::new("");
    waits(story.run(&[("rename", gone)]), Stage::Uncertain, "and it is not there");
    assert_eq!(Story::new("pickup = \"immediate\"").run(&[("rename", gone)]), renamed());

    let story = Story::new("");
    assert_eq!(story.run(&[("size final", not(denied))]), renamed());
    story.is_there();
}

#[test]
fn what_a_broken_try_left_is_taken_away_where_it_can_be() {
    let temps = |story: &Story| names(story.there());
    let story = Story::new("");
    waits(story.run(&[("upload", done(lost))]), Stage::Sending, "lost");
    assert_eq!(temps(&story), [format!(".{BATCH}.1.part")]);
    assert_eq!(story.run(&[]), renamed());
    story.is_there();

    // One that may not be removed is in nobody's way; a line that is lost ends the try.
    let story = Story::new("");
    waits(story.run(&[("upload", done(lost))]), Stage::Sending, "lost");
    waits(story.run(&[("remove temp", not(lost))]), Stage::Sending, "lost");
    assert_eq!(story.uploads(), 1);
    assert_eq!(story.run(&[("remove temp", not(denied))]), renamed());
    assert_eq!(temps(&story), [format!(".{BATCH}.1.part"), BATCH.to_string()]);

    // What lies at another place is out of reach, and goes on being no file of anybody's.
    let story = Story::new("");
    waits(story.run(&[("upload", done(lost))]), Stage::Sending, "lost");
    let other = story.site.root().join("other");
    fs::create_dir(&other).unwrap();
    let text = fs::read_to_string(story.site.interface_file()).unwrap();
    fs::write(story.site.interface_file(), text.replace("../partner", "../other")).unwrap();
    assert_eq!(story.run(&[]), renamed());
    assert_eq!(temps(&story), [format!(".{BATCH}.1.part")]);
    assert_eq!(names(&other), [BATCH]);

    // Somebody helped: it is there already.
    let story = Story::new("");
    waits(story.run(&[("upload", done(lost))]), Stage::Sending, "lost");
    fs::rename(temp(story.there()), last(story.there())).unwrap();
    waits(story.run(&[("digest final", not(lost))]), Stage::Sending, "lost");
    assert_eq!(story.run(&[]), seen());
    assert_eq!(story.uploads(), 1);
    story.is_there();

    // What is read back is not what was sent: nothing of it stays, and the next try may work.
    let story = Story::new("verify = \"hash\"");
    let end = story.run(&[("upload", and(|at| others(&temp(at))))]);
    waits(end, Stage::Sending, "the bytes read back are not those that were sent");
    assert_eq!(temps(&story), [""; 0]);
    assert_eq!(story.run(&[]), renamed());
    story.is_there();
}

/// `upload = "direct"`, for servers that cannot rename.
#[test]
fn a_file_under_its_final_name_is_ours_only_where_we_began_it() {
    const DIRECT: &str = "upload = \"direct\"";
    let written = || (Stage::Delivered, Ok("written".to_string()));
    let half = but(|at| fs::write(last(at), "FHS|").unwrap(), lost);
    let begun = |settings: &str, upload| {
        let story = Story::new(&format!("{DIRECT}\n{settings}"));
        waits(story.run(&[("upload", upload)]), Stage::Sending, "lost");
        story
    };
    let story = begun("", done(lost));
    assert_eq!((story.run(&[]), story.uploads()), (seen(), 1));
    story.is_there();
    let story = begun("", half);
    assert_eq!((story.run(&[]), story.uploads()), (written(), 2));
    story.is_there();
    let story = begun("", not(lost));
    assert_eq!(story.run(&[]), written());
    story.is_there();

    // Whoever cannot look does not know how much of it is there.
    for says in [exists as fn() -> DeliveryError, refused] {
        let story = begun("", half);
        let answers = [("size final", not(denied)), ("upload", not(says))];
        waits(story.run(&answers), Stage::Uncertain, "does not let us look how much of it");
    }
    let story = begun("pickup = \"immediate\"", not(lost));
    waits(story.run(&[]), Stage::Uncertain, "it may have been taken, half or whole");
    assert_eq!(story.uploads(), 1);

    let story = Story::new(DIRECT);
    fs::write(last(story.there()), "the vendor's own").unwrap();
    waits(story.run(&[]), Stage::Conflict, "it is not overwritten");
    let answers = [("size final", not(denied))];
    waits(story.run(&answers), Stage::Conflict, "it is not overwritten");
    assert_eq!(fs::read(last(story.there())).unwrap(), b"the vendor's own");
    let story = Story::new(DIRECT);
    waits(story.run(&[("upload", not(refused))]), Stage::Sending, "without a reason");

    // What was begun under a temporary name is not what stands under the final one.
    let story = Story::new("");
    waits(story.run(&[("upload", done(lost))]), Stage::Sending, "lost");
    let text = fs::read_to_string(story.site.interface_file()).unwrap();
    fs::write(story.site.interface_file(), format!("{text}{DIRECT}\n")).unwrap();
    fs::write(last(story.there()), "the vendor's own").unwrap();
    waits(story.run(&[]), Stage::Conflict, "it is not overwritten");
    assert_eq!(fs::read(last(story.there())).unwrap(), b"the vendor's own");

    const HASH: &str = "upload = \"direct\"\nverify = \"hash\"";
    let story = Story::new(HASH);
    let end = story.run(&[("upload", and(|at| others(&last(at))))]);
    waits(end, Stage::Sending, "the bytes read back are not those that were sent");
    assert_eq!(names(story.there()), [""; 0]);
    assert_eq!(story.run(&[]), written());
    let gone = [("digest final", not(not_found))];
    let story = Story::new(HASH);
    waits(story.run(&gone), Stage::Sending, "is not there");
    assert_eq!(Story::new(&format!("{HASH}\npickup = \"immediate\"")).run(&gone), written());
    let story = Story::new(HASH);
    waits(story.run(&[("digest final", not(denied))]), Stage::Sending, "does not allow us");
}
