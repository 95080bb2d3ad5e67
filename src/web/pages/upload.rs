//! Upload: a person drops extracts in the browser; they go the way of all others.

use maud::{Markup, html};

use crate::domain::ExtractKind;
use crate::engine::{Engine, Upload, UploadError, Uploaded};
use crate::web::ask::{Ask, Part};
use crate::web::frame::{frame, hidden};
use crate::web::office::Office;
use crate::web::parts::{bytes, count};
use crate::web::refusal::Refusal;
use crate::web::reply::Answer;

impl From<UploadError> for Refusal {
    fn from(err: UploadError) -> Refusal {
        match err {
            UploadError::Name(text) => Refusal::Bad(text),
            UploadError::Engine(err) => err.into(),
        }
    }
}

/// The page.
pub fn form(office: &Office, ask: &mut Ask) -> Answer {
    let sites = office.sites()?;
    let body = html! {
        h1 { "Upload" }
        p { "What you drop here goes into the inbox of the interface and is taken in like any other \
            extract: the same checks, the same queue. Choose all files of one drop together, so that \
            appointments find their patients and providers." }
        @for site in &sites {
            section.card {
                h2 { (site.name) }
                @match &site.engine {
                    Ok(engine) => (drop_zone(ask, &site.name, engine)),
                    Err(wrong) => p.notice.bad { "The interface file has mistakes: " (wrong) },
                }
            }
        }
    };
    Ok(frame(office, ask, "Upload", body))
}

fn drop_zone(ask: &Ask, name: &str, engine: &Engine) -> Markup {
    let scope = &engine.agreement.scope;
    let id = format!("files-{name}");
    html! {
        form method="post" action={ "/upload/" (name) } enctype="multipart/form-data" {
            (hidden(ask))
            div.drop {
                label for=(id) { "Drop files here, or choose them" }
                input id=(id) type="file" name="files" multiple required;
            }
            div.buttons { button type="submit" { "Upload to " (name) } }
        }
        details {
            summary { "Names that are taken" }
            dl.pairs {
                @for kind in ExtractKind::ALL {
                    dt { (kind.word()) }
                    dd { @for (at, pattern) in scope.files[&kind].iter().enumerate() {
                        @if at > 0 { ", " }
                        code { (pattern.as_str()) }
                    } }
                }
            }
        }
    }
}

/// Takes the files.
pub fn take(office: &Office, ask: &mut Ask) -> Answer {
    let name = ask.arg("interface").to_string();
    let engine = office.engine(&name)?;
    let mut upload = engine.upload()?;
    received(office, ask, &mut upload)?;
    let by = ask.by();
    for file in upload.whole()? {
        let digest = &file.digest.to_string()[..16];
        let about = format!("{name}: {}, {} bytes, sha256 {digest}", file.name, file.bytes);
        office.desk()?.note(&by, "upload", &about)?;
    }
    let files = upload.finish()?;
    log::info!("{}: {} uploaded {} files", engine.owner(), by.name, files.len());
    Ok(frame(office, ask, "Uploaded", taken(&name, &files)))
}

fn received(office: &Office, ask: &mut Ask, upload: &mut Upload<'_>) -> Result<(), Refusal> {
    let most = office.settings.serve.upload_max;
    let mut all = 0;
    let mut files = 0;
    let Some(parts) = &mut ask.files else {
        return Err(Refusal::Bad("the upload holds no file".to_string()));
    };
    loop {
        match parts.next() {
            Some(Part::File(name)) => {
                upload.file(&name)?;
                files += 1;
            }
            Some(Part::Bytes(piece)) => {
                all += piece.len() as u64;
                if all > most {
                    let text = format!(
                        "the upload is larger than {}, which upload_megabytes of hl7drop.toml \
                         allows; nothing of it was taken in. gzip the files, or put them into the \
                         inbox another way",
                        bytes(most)
                    );
                    return Err(Refusal::Large(text));
                }
                upload.write(&piece)?;
            }
            Some(Part::End) if files == 0 => {
                return Err(Refusal::Bad("choose a file first".to_string()));
            }
            Some(Part::End) => return Ok(()),
            None => {
                log::warn!("page: an upload was cut off; nothing of it was taken in");
                let text = "the upload was cut off, and nothing of it was taken in; send it again";
                return Err(Refusal::Bad(text.to_string()));
            }
        }
    }
}

fn taken(name: &str, files: &[Uploaded]) -> Markup {
    html! {
        h1 { "Uploaded" }
        p.notice.good role="status" {
            (count(files.len() as u64, "file is", "files are")) " in the inbox of " (name)
            ". The next run takes them in; if " code { "hl7drop watch" } " runs, that is at once."
        }
        section.card {
            dl.pairs { @for file in files {
                dt { (file.name) }
                dd { (bytes(file.bytes)) ", SHA-256 " code { (file.digest.to_string()[..16]) } }
            } }
        }
        div.buttons { a.button href="/" { "To the overview" } a.button.quiet href="/upload" { "Upload more" } }
    }
}
