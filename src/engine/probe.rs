//! What a server lets us do, found out with a probe file; and what its administrator
//! should know.

use super::behaviour::{self, Behaviour, LOOK, READ, REFUSE, REMOVE, RENAME, SAME, STAY};
use super::check::Checked;
use super::pass::Engine;
use crate::delivery::{self, Delivery, DeliveryError};
use crate::domain::{Endpoint, Method, Upload, Verify};

const TEXT: &[u8] = b"A probe by hl7drop check; it may be removed.\n";

/// What was found out about one endpoint.
#[derive(Debug)]
pub struct Probed {
    /// Each thing that was tried.
    pub checked: Vec<Checked>,
    /// A paragraph for the vendor's administrator; none where there was no login.
    pub paragraph: Option<String>,
}

/// Goes to an endpoint and tries each step of a delivery there, and what helps in trouble.
pub fn probe(engine: &Engine, endpoint: &Endpoint) -> Probed {
    let what = format!("endpoint {}", endpoint.name);
    let mut there = match (engine.open_delivery)(endpoint, &endpoint.method) {
        Ok(there) => there,
        Err(err) => {
            return Probed {
                checked: vec![Checked::wrong(what, err.to_string())],
                paragraph: None,
            };
        }
    };
    let name = format!("hl7drop-probe-{}-{}.hl7", std::process::id(), engine.clock.unix());
    let temp = endpoint.protocol.temp_name.replace("{name}", &name).replace("{try}", "1");
    let (server, at) = (there.server(), engine.clock.unix());
    let behaviour =
        Behaviour { at, place: server.place, host_key: server.host_key, ..Behaviour::default() };
    let (there, found, refused) = (there.as_mut(), Vec::new(), Vec::new());
    let mut probe = Probe { there, endpoint, name, temp, what, found, refused, behaviour };
    let whole = probe.steps();
    if let Err(err) = &whole {
        probe.wrong(&err.to_string());
    }
    // Of a line that broke nothing is learned.
    if !whole.is_err_and(|err| err.is_broken()) {
        probe.keep(engine);
    }
    let paragraph = Some(probe.paragraph());
    Probed { checked: probe.found, paragraph }
}

struct Probe<'a> {
    there: &'a mut dyn Delivery,
    endpoint: &'a Endpoint,
    name: String,
    temp: String,
    what: String,
    found: Vec<Checked>,
    /// What the server refused, as its administrator would call it.
    refused: Vec<&'static str>,
    behaviour: Behaviour,
}

impl Probe<'_> {
    /// Each step, until one without which nothing can be delivered.
    fn steps(&mut self) -> delivery::Result<()> {
        self.upload()?;
        self.good("a file can be written, and has the size that it should have");
        self.look()?;
        self.read_back()?;
        self.taken_name()?;
        if self.endpoint.protocol.upload == Upload::Direct {
            let _ = self.there.remove(&self.temp);
            self.good(
                "upload = \"direct\": files are written under their final name, unseen only \
                       if the vendor waits until they are whole",
            );
            return Ok(());
        }
        let renamed = self.there.rename(&self.temp, &self.name);
        self.is_so(RENAME, renamed.is_ok());
        if renamed.is_err() {
            self.refused.push("rename");
            // What was written goes, whatever the rename says.
            let _ = self.there.remove(&self.temp);
        }
        renamed?;
        self.good("it can be renamed, so nobody sees half a file under its final name");
        self.arrived()?;
        self.remove()
    }

    fn upload(&mut self) -> delivery::Result<()> {
        self.there.upload(&self.temp, &mut &TEXT[..], TEXT.len() as u64)
    }

    fn look(&mut self) -> delivery::Result<()> {
        match self.there.size(&self.temp) {
            Ok(Some(_)) => {
                self.is_so(LOOK, true);
                self.good("names can be looked at: after a break it is known what happened")
            }
            Ok(None) => self.wrong(&format!(
                "{} was taken away before it had its final name; set a `temp_name` that the \
                 vendor does not take",
                self.temp
            )),
            Err(err) if not_allowed(&err) => {
                self.is_so(LOOK, false);
                self.refused.push("look at names (stat)");
                self.good(
                    "names cannot be looked at: after a break a person may have to ask the \
                     vendor what arrived",
                );
            }
            Err(err) => return Err(err),
        }
        Ok(())
    }

    fn read_back(&mut self) -> delivery::Result<()> {
        let read = self.there.digest(&self.temp);
        if !read.as_ref().is_err_and(DeliveryError::is_broken) {
            self.is_so(READ, read.is_ok());
        }
        if let Ok(digest) = &read {
            self.is_so(SAME, *digest == crate::digest::Digest::of(TEXT));
        }
        match read {
            Ok(digest) if digest == crate::digest::Digest::of(TEXT) => {
                self.good("files can be read back: verify = \"hash\" can be used");
            }
            Ok(_) => self.wrong(
                "what is read back is not what was written; tell the vendor. Until that is mended \
                 every file is read back before it is published, as with verify = \"hash\"",
            ),
            Err(err) if err.is_broken() => return Err(err),
            Err(_) if self.endpoint.protocol.verify == Verify::Hash => {
                self.wrong("files cannot be read back; set verify = \"size\"");
            }
            Err(_) => self.good("files cannot be read back: only their size is compared"),
        }
        Ok(())
    }

    /// A name that is taken must stay whose it is.
    fn taken_name(&mut self) -> delivery::Result<()> {
        let again = self.upload();
        self.is_so(REFUSE, again.is_err());
        match again {
            Err(err) if err.is_broken() => return Err(err),
            Err(_) => self.good("a name that is taken is refused"),
            Ok(()) if self.endpoint.protocol.temp_name.contains("{try}") => {
                self.good("a name that is taken is overwritten: each try has its own");
            }
            Ok(()) => self.wrong(
                "a name that is taken is overwritten; put {try} into `temp_name`, so that each \
                 try has its own",
            ),
        }
        Ok(())
    }

    fn arrived(&mut self) -> delivery::Result<()> {
        let gone = "the file was gone at once after its rename";
        let found = self.there.size(&self.name);
        if let Ok(found) = &found {
            self.is_so(STAY, found.is_some());
        }
        match found {
            Ok(None) if self.endpoint.protocol.pickup_immediate => {
                self.good(&format!("{gone}, as pickup = \"immediate\" says"));
            }
            Ok(None) => self.wrong(&format!(
                "{gone}; if the vendor takes files away at once, set pickup = \"immediate\", \
                 else ask where it went: {}",
                self.there.path(&self.name)
            )),
            Ok(Some(_)) => {}
            Err(err) if not_allowed(&err) => {}
            Err(err) => return Err(err),
        }
        Ok(())
    }

    fn remove(&mut self) -> delivery::Result<()> {
        let removed = self.there.remove(&self.name);
        self.is_so(REMOVE, removed.is_ok());
        match removed {
            Ok(()) => self.good("files can be removed: what a break leaves is cleaned up"),
            Err(err) if err.is_broken() => return Err(err),
            Err(_) => {
                self.refused.push("remove");
                self.good(&format!(
                    "files cannot be removed: the vendor has to remove {}, and what a break leaves",
                    self.there.path(&self.name)
                ));
            }
        }
        Ok(())
    }

    /// Says to whom it concerns what we do there and what it takes.
    fn paragraph(&self) -> String {
        let who = match &self.endpoint.method {
            Method::Sftp(sftp) => format!("as {} at {}", sftp.user, self.there.server().address),
            Method::Folder(_) => "into a folder of yours".to_string(),
        };
        let name = "NAME.hl7";
        let temp = self.endpoint.protocol.temp_name.replace("{name}", name).replace("{try}", "1");
        let (path, temp) = (self.there.path(name), self.there.path(&temp));
        let list = match &self.endpoint.ack {
            Some(ack) => format!(
                "Where your response files ({}) are, please let us list the folder, read them, and \
                 then remove or rename them. We need no list of any other",
                ack.files.as_str()
            ),
            None => "We need no list of the folder".to_string(),
        };
        let refused = match self.refused.as_slice() {
            [] => "Our probe of today was refused nothing of this.".to_string(),
            refused => format!("Our probe of today was refused: {}.", refused.join(", ")),
        };
        format!(
            "We deliver HL7 batch files {who}. Each file is first written as {temp}, its size \
             is compared, and then it is renamed in one step to {path}. Please let whatever \
             takes the files take final names only. Final names never come twice, and nothing \
             that exists is overwritten. In that folder we need to create, write and rename; \
             please let us also look at names (stat) and remove our temporary files, so that a \
             broken line can be settled without asking you. {list}, no append, and no change of \
             modes or times. One connection is open at a time. {refused}"
        )
    }

    fn is_so(&mut self, what: &str, so: bool) {
        self.behaviour.found.insert(what.to_string(), so);
    }

    /// Keeps what was found, and tells what is not as it was.
    fn keep(&mut self, engine: &Engine) {
        let behaviour = std::mem::take(&mut self.behaviour);
        let notes = match behaviour::keep(engine, &self.endpoint.name, behaviour) {
            Ok(changes) => changes,
            Err(err) => vec![format!("what was found could not be kept: {err}")],
        };
        for note in notes {
            let what = format!("{}: {note}", self.what);
            self.found.push(Checked { warns: true, ..Checked::good(what) });
        }
    }

    fn good(&mut self, what: &str) {
        self.found.push(Checked::good(format!("{}: {what}", self.what)));
    }

    fn wrong(&mut self, wrong: &str) {
        self.found.push(Checked::wrong(self.what.clone(), wrong));
    }
}

fn not_allowed(err: &DeliveryError) -> bool {
    matches!(err, DeliveryError::Denied { .. } | DeliveryError::Unsupported { .. })
}
