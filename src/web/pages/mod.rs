//! The pages: each a function from what is asked to what is answered.

pub mod account;
pub mod assets;
pub mod audit;
pub mod batches;
pub mod folders;
pub mod groups;
pub mod home;
pub mod mappings;
pub mod message;
pub mod queue;
pub mod record;
pub mod search;
pub mod sign_in;
pub mod upload;
pub mod users;
pub mod whole;

use super::ask::Ask;
use super::office::Office;
use super::refusal::{self, Refusal};
use super::reply::Reply;

/// What is answered where no route leads.
pub fn nothing(office: &Office, ask: &mut Ask) -> Reply {
    if let (Some(token), Ok(mut desk)) = (&ask.token, office.desk()) {
        ask.who = desk.session(token, &office.limits(), ask.now, false).unwrap_or_default();
    }
    let text = "there is no such page, or a form cannot be sent to it".to_string();
    refusal::page(office, ask, Refusal::Nothing(text))
}
