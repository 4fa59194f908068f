//! A double of a service that keeps members under the caller's own key, as newsletter services, search
//! indexes and the like do. No product is meant:
//! - `PUT /v1/members/{ref}` creates or replaces, `DELETE` removes (404 when there is none).
//! - `GET /v1/members?cursor=&limit=` lists in the order in which they came: at most 200 a page;
//!   answers `{"members":[...],"next":TEXT|null}`. A member is its body with `id` (the service's own)
//!   and `ref` (the caller's key; null where a person made it by hand).
//! - `GET /v1/members/by-offset?offset=&limit=` lists the same as a bare array.
//! - `GET /openapi.json` describes it, once it was told how ([`Double::describe`]); needs no token. A
//!   `PUT` of what is not described is then 422.
//! - A bearer token, else 401. A parameter that is not known, a mistaken one, a cursor that was never
//!   given are 400; a body that is no table is 422.
//!
//! Its listing can be made to lie: see [`Lie`].

mod api;
#[cfg(test)]
mod tests;

use std::{io, sync::Mutex};

use serde_json::{Map, Value};

use super::{Clock, Double, KillsOverHttp, locked};

/// How a listing goes wrong. What is listed is true in every case but [`Lie::Empty`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Each page begins with the last member of the page before.
    Repeats,
    /// Each page, and the pages, come in the reverse order, cut as the order of arrival has them.
    Reorders,
    /// The last page leads to the first.
    Circle,
    /// Every page is the first, and leads to a page further on.
    SamePage,
    /// Every page leads to itself.
    ToItself,
    /// There is nothing.
    Empty,
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The service's own id.
    pub id: String,
    /// The caller's key; none where a person made it by hand.
    pub reference: Option<String>,
    /// What it holds.
    pub body: Map<String, Value>,
}

#[derive(Default)]
struct Held {
    members: Vec<Member>,
    made: u64,
    lie: Option<Lie>,
    described: Option<Value>,
}

/// What the double knows.
pub struct Members {
    token: String,
    held: Mutex<Held>,
}

/// A double of such a service.
pub type MembersDouble = Double<Members>;

impl Double<Members> {
    /// One that listens nowhere, is reached by [`call`](Double::call), accepts the bearer `token` and
    /// holds nothing.
    pub fn unserved_of(clock: Clock, token: &str) -> Self {
        Self::unserved(Members::new(token), clock)
    }

    /// The same on a free port of 127.0.0.1. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(clock: Clock, token: &str) -> io::Result<Self> {
        Self::start_at(clock, token, 0).await
    }

    /// The same on this port of 127.0.0.1.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start_at(clock: Clock, token: &str, port: u16) -> io::Result<Self> {
        Self::serve(Members::new(token), clock, port, KillsOverHttp::Refused).await
    }

    /// Every member, in the order in which they came.
    pub fn members(&self) -> Vec<Member> {
        locked(&self.system().held).members.clone()
    }

    /// The member of a key.
    pub fn member(&self, reference: &str) -> Option<Member> {
        let mut members = self.members().into_iter();
        members.find(|member| member.reference.as_deref() == Some(reference))
    }

    /// A person alters what a member holds; says whether there is one.
    pub fn edit(&self, reference: &str, alter: impl FnOnce(&mut Map<String, Value>)) -> bool {
        let mut held = locked(&self.system().held);
        let found = held.find(reference).and_then(|at| held.members.get_mut(at));
        found.map(|member| alter(&mut member.body)).is_some()
    }

    /// A person removes a member; says whether there was one.
    pub fn remove(&self, reference: &str) -> bool {
        locked(&self.system().held).remove(reference)
    }

    /// A person makes a member, with or without a key of the caller's.
    pub fn put_standing(&self, reference: Option<&str>, body: Map<String, Value>) -> Member {
        locked(&self.system().held).make(reference, body)
    }

    /// It takes members of this schema from now on, and says so.
    pub fn describe(&self, member: Value) {
        locked(&self.system().held).described = Some(member);
    }

    /// The listing lies from now on, or no longer.
    pub fn lie(&self, lie: Option<Lie>) {
        locked(&self.system().held).lie = lie;
    }
}

impl Members {
    fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            held: Mutex::default(),
        }
    }
}

impl Held {
    fn find(&self, reference: &str) -> Option<usize> {
        let named = |member: &Member| member.reference.as_deref() == Some(reference);
        self.members.iter().position(named)
    }

    fn remove(&mut self, reference: &str) -> bool {
        let found = self.find(reference);
        found.map(|at| self.members.remove(at)).is_some()
    }

    fn make(&mut self, reference: Option<&str>, body: Map<String, Value>) -> Member {
        self.made += 1;
        let member = Member {
            id: format!("m-{}", self.made),
            reference: reference.map(str::to_owned),
            body,
        };
        self.members.push(member.clone());
        member
    }
}
