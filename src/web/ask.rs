//! What is asked: a request without its HTTP.

use tokio::sync::mpsc::Receiver;

use crate::desk::{By, Session, Token};

/// Names and values, in the order of the request.
pub type Pairs = Vec<(String, String)>;

/// A request.
#[derive(Default)]
pub struct Ask {
    /// The path, with its query.
    pub path: String,
    /// What stands in the places of the route's path.
    pub args: Pairs,
    /// Of the address.
    pub query: Pairs,
    /// Of the form.
    pub form: Pairs,
    /// Files that come with the form.
    pub files: Option<Files>,
    /// What the browser showed to be known.
    pub token: Option<Token>,
    /// What somebody who is not signed in has instead, for forms.
    pub visitor: Option<Token>,
    /// Whose session it is; the gate looks.
    pub who: Option<Session>,
    /// Where from.
    pub address: String,
    /// True of what the page asks by itself: no click.
    pub live: bool,
    /// True of a form that another site's page sent.
    pub cross_site: bool,
    /// True of a link on another site's page; browsers keep our cookie back.
    pub from_elsewhere: bool,
    /// When, unix seconds.
    pub now: i64,
}

/// A piece of an upload.
pub enum Part {
    /// A file of this name begins.
    File(String),
    /// Bytes of it.
    Bytes(Vec<u8>),
    /// All files were there, to the last byte.
    End,
}

/// The pieces as they come; the channel that closes without an end was cut off.
pub struct Files(pub Receiver<Part>);

impl Files {
    /// Waits for the next piece; none if the upload was cut off.
    pub fn next(&mut self) -> Option<Part> {
        self.0.blocking_recv()
    }
}

fn first<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

impl Ask {
    /// Returns what stands in a place of the path; empty if there is none.
    pub fn arg(&self, name: &str) -> &str {
        first(&self.args, name)
    }

    /// Returns a value of the query; empty if there is none.
    pub fn query(&self, name: &str) -> &str {
        first(&self.query, name).trim()
    }

    /// Returns a field of the form; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        first(&self.form, name)
    }

    /// Returns all fields of the form of one name.
    pub fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.form.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns what the forms of this page carry.
    pub fn form_token(&self) -> Option<String> {
        self.token.as_ref().or(self.visitor.as_ref()).map(Token::for_forms)
    }

    /// Returns who asks, for the trail.
    pub fn by(&self) -> By {
        let name = self.who.as_ref().map_or_else(String::new, |who| who.user.clone());
        By { name, address: self.address.clone(), at: self.now }
    }
}
