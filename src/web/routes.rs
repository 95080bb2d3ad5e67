//! The table of routes: which page, who may, which function.

use super::ask::Ask;
use super::office::Office;
use super::pages::{
    account, assets, audit, batches, folders, groups, home, mappings, message, queue, record,
    search, sign_in, upload, users, whole,
};
use super::reply::Answer;
use crate::domain::Permission::{self, *};

/// How a route is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To look; changes nothing.
    Get,
    /// A form: does something.
    Post,
    /// A form with files.
    Upload,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Anybody, signed in or not.
    Nothing,
    /// Who is signed in.
    SignedIn,
    /// Who has one of these.
    OneOf(&'static [Permission]),
}

/// A page, or something that is done.
pub struct Route {
    /// How.
    pub way: Way,
    /// Where; places in braces.
    pub path: &'static str,
    /// Who may.
    pub needs: Needs,
    /// What makes the answer.
    pub(super) handler: fn(&Office, &mut Ask) -> Answer,
}

const fn get(path: &'static str, needs: Needs, handler: fn(&Office, &mut Ask) -> Answer) -> Route {
    Route { way: Way::Get, path, needs, handler }
}

const fn post(path: &'static str, needs: Needs, handler: fn(&Office, &mut Ask) -> Answer) -> Route {
    Route { way: Way::Post, path, needs, handler }
}

const VIEW: Needs = Needs::OneOf(&[ViewMessageQueue]);
const UPLOAD: Needs = Needs::OneOf(&[FileUpload]);
const MEND: Needs = Needs::OneOf(&[MapMessages]);
const MEND_SOME: Needs = Needs::OneOf(&[MapMessages, MapInsuranceMessages]);
const ADMIN: Needs = Needs::OneOf(&[UserAdministration]);

/// Every route. What is not here is not there.
pub const ROUTES: &[Route] = &[
    get("/page.css", Needs::Nothing, assets::css),
    get("/page.js", Needs::Nothing, assets::script),
    get("/icon.svg", Needs::Nothing, assets::icon),
    get("/sign-in", Needs::Nothing, sign_in::form),
    post("/sign-in", Needs::Nothing, sign_in::enter),
    post("/sign-out", Needs::Nothing, sign_in::leave),
    get("/", Needs::SignedIn, home::home),
    get("/account", Needs::SignedIn, account::form),
    post("/account/password", Needs::SignedIn, account::password),
    post("/account/sign-out-everywhere", Needs::SignedIn, account::everywhere),
    get("/search", VIEW, search::search),
    get("/messages/{interface}/{message}", VIEW, whole::show),
    get("/groups", VIEW, groups::list),
    get("/groups/{interface}", VIEW, groups::show),
    post("/groups/{interface}", MEND_SOME, groups::mend),
    get("/mappings", VIEW, mappings::list),
    get("/mappings/export", VIEW, mappings::export),
    post("/mappings/add", MEND_SOME, mappings::add),
    post("/mappings/remove", MEND_SOME, mappings::remove),
    post("/mappings/import", MEND_SOME, mappings::import),
    get("/queue", VIEW, queue::list),
    get("/queue/{interface}/record/{id}", VIEW, record::show),
    post("/queue/{interface}/close", MEND_SOME, queue::close),
    post("/queue/{interface}/resubmit", MEND_SOME, queue::resubmit),
    get("/batches", VIEW, batches::list),
    get("/batches/{interface}/{batch}", VIEW, batches::show),
    get("/batches/{interface}/{batch}/{at}", VIEW, message::show),
    post("/batches/{interface}/{batch}/decide", MEND, batches::decide),
    post("/batches/{interface}/{batch}/mend", MEND, batches::mend),
    get("/folders", VIEW, folders::list),
    get("/upload", UPLOAD, upload::form),
    Route { way: Way::Upload, path: "/upload/{interface}", needs: UPLOAD, handler: upload::take },
    get("/trail", VIEW, audit::trail),
    get("/users", ADMIN, users::list),
    post("/users/add", ADMIN, users::add),
    post("/users/{user}/permit", ADMIN, users::permit),
    post("/users/{user}/password", ADMIN, users::password),
    post("/users/{user}/sign-out", ADMIN, users::sign_out),
    post("/users/{user}/remove", ADMIN, users::remove),
];
