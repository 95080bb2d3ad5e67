//! What is answered: a response without its HTTP.

use maud::Markup;

use super::refusal::Refusal;
use crate::desk::Token;

/// What a page comes to.
pub type Answer = Result<Reply, Refusal>;

/// A response; the headers that every response has are `http.rs`'s.
#[derive(Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The kind of the body.
    pub kind: &'static str,
    /// Other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What happens to the browser's token.
    pub cookie: Cookie,
}

/// What the browser is to keep.
#[derive(Default)]
pub enum Cookie {
    /// What it has.
    #[default]
    Same,
    /// The token of a session that began.
    Session(Token),
    /// A token for the forms of somebody who is not signed in.
    Visitor(Token),
    /// Nothing: the session ended.
    Gone,
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Cookie")
    }
}

impl Reply {
    /// A page.
    pub fn page(status: u16, page: Markup) -> Reply {
        let body = page.into_string().into_bytes();
        Reply { status, kind: "text/html; charset=utf-8", body, ..Reply::default() }
    }

    /// The browser is to get another page: after each form, so that reloading sends
    /// nothing twice.
    pub fn go(to: impl Into<String>) -> Reply {
        let headers = vec![("location", to.into())];
        Reply { status: 303, kind: "text/plain", headers, ..Reply::default() }
    }

    /// A file of ours.
    pub fn file(kind: &'static str, body: &[u8]) -> Reply {
        let headers = vec![("cache-control", "public, max-age=3600".to_string())];
        Reply { status: 200, kind, headers, body: body.to_vec(), ..Reply::default() }
    }

    /// Something to keep on the disk.
    pub fn download(name: &str, body: Vec<u8>) -> Reply {
        let good = |char: &char| char.is_ascii_alphanumeric() || "._-".contains(*char);
        let name: String = name.chars().filter(good).collect();
        let headers = vec![("content-disposition", format!("attachment; filename=\"{name}\""))];
        Reply { status: 200, kind: "application/octet-stream", headers, body, ..Reply::default() }
    }
}
