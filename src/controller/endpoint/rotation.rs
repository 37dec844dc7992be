//! Rotation of the signing key, the effects: rows are moved, keys written. What and when is decided in `plan::rotation`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Pass;
use crate::api::rotation::RotationPhase;
use crate::controller::account_kind;
use crate::controller::context::LastRead;
use crate::controller::error::PassError;
use crate::controller::row_calls;
use crate::controller::secrets::{self, ReadSecret, SigningKeys};
use crate::plan::endpoint::{Leaving, LeavingRow, Stuck};
use crate::plan::rotation::{Pair, Publish, Source};
use crate::plan::row_calls::{BATCH, RowCall};
use crate::plan::{Note, Refusal};
use crate::provider::CallError;
use crate::provider::gate::{Errand, Lane};
use crate::provider::mirror::Mirror;
use crate::provider::model::{Moved, RemoteId, RemoteRow, RemoteRows};
use crate::provider::realm::Realm;
use crate::signing::{SecretText, new_key};

/// How often a listed row may be not found when it is to move.
const NOT_FOUND: u32 = 3;

/// Rows on the former endpoint, a batch of those that can be moved and of those that cannot; `None` while no good list
/// shows them.
pub(super) fn leaving(mirror: &Mirror, pair: &Pair, stuck: &HashMap<RemoteId, Stuck>) -> Option<Leaving> {
    // After a 404 or a lost answer only a new list says what is still there. And a PATCH that names no practice, because
    // none is known yet, would be refused: that is no reason to make the row anew.
    if !mirror.row_list_is_fresh(&pair.from) || mirror.practice_list().is_none() {
        return None;
    }
    let to = pair.to.as_ref()?;
    let any = mirror.practice_names().and_then(|names| names.into_iter().next());
    let describe = |row: RemoteRow| {
        let key = row.key();
        let practice = mirror.practice_of(&key).flatten().cloned();
        let any_practice = practice.clone().or_else(|| any.clone());
        let there = !mirror.rows(to, &key).is_empty();
        LeavingRow { row, practice, any_practice, there, making: mirror.create_state(to, &key) }
    };
    let mut leaving = Leaving { look_on_new: !mirror.rows_proven(to), ..Leaving::default() };
    let mut refused = Vec::new();
    for row in mirror.rows_of(&pair.from) {
        match stuck.get(&row.id) {
            None if leaving.movable.len() < BATCH => leaving.movable.push(describe(row)),
            None => {}
            Some(why) => refused.push((row, *why)),
        }
    }
    refused.sort_by(|(a, why), (b, other)| {
        let done = |why: &Stuck| !matches!(why, Stuck::Move(_));
        done(why).cmp(&done(other)).then_with(|| a.id.cmp(&b.id))
    });
    leaving.stuck = refused.into_iter().take(BATCH).map(|(row, why)| (describe(row), why)).collect();
    Some(leaving)
}

/// How far the move is proven.
pub(super) fn moved(mirror: &Mirror, pair: &Pair) -> Moved {
    pair.to.as_ref().map(|to| mirror.moved(&pair.from, to)).unwrap_or_default()
}

impl Pass<'_> {
    pub(super) fn phase(&self) -> Option<RotationPhase> {
        self.object.status.as_ref()?.rotation.as_ref()?.phase
    }

    /// A new phase forgets what only the phase before it knew.
    pub(super) fn entered(&self, before: Option<RotationPhase>) {
        if self.phase() != before {
            let plan = &mut self.memory.plan().plan;
            plan.looked_before_retiring = false;
            plan.stuck.clear();
            plan.not_found.clear();
            plan.other_refused = None;
        }
    }

    /// Independent calls: each fails alone. What stops them all, such as an outage, is answered once.
    pub(super) async fn move_rows(&self, realm: &Arc<Realm>, calls: &[RowCall]) -> Result<(), PassError> {
        let account = self.context.accounts.get(&account_kind::of_endpoint(&self.object));
        let version = account.map(|account| account.api_version).unwrap_or_default();
        let send = |call| {
            let (realm, version) = (realm.clone(), version.clone());
            let lane = Errand::current().lane().max(Lane::Repairs);
            async move { Errand::new(lane).run(row_calls::send(&realm, call, &version)).await }
        };
        let answers = row_calls::all(calls, send).await;
        let (mut moved, mut general) = (0, None);
        for (call, answer) in calls.iter().zip(answers) {
            match answer {
                Ok(()) => moved += usize::from(matches!(call, RowCall::Move { .. })),
                Err(error) => general = self.refused_row(realm, call, error).or(general),
            }
        }
        if moved > 0 {
            let text = format!("moved at the provider: {moved}");
            self.context.events.publish_later(&*self.object, vec![Note::normal("Moved", "Move", text)]).await;
        }
        general.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Remembers a refusal of one row; answers an error that is about everything.
    fn refused_row(&self, realm: &Realm, call: &RowCall, error: CallError) -> Option<CallError> {
        let status = match error {
            CallError::Rejected { status } => status,
            // The lists are not believed any more; after a pause new ones say what has become of it. A row that is listed
            // again and again and not found when it is to move is as good as refused.
            CallError::NotFound => {
                let RowCall::Move { row, .. } = call else { return Some(error) };
                let plan = &mut self.memory.plan().plan;
                let times = plan.not_found.entry(row.id.clone()).or_insert(0);
                *times += 1;
                if *times >= NOT_FOUND {
                    let refusal = Refusal { status: 404, at: Timestamp::now() };
                    plan.stuck.insert(row.id.clone(), Stuck::Move(refusal));
                }
                return Some(error);
            }
            error => return Some(error),
        };
        let refusal = Refusal { status, at: Timestamp::now() };
        let (id, stuck) = match call {
            RowCall::Move { row, .. } | RowCall::Switch { row, .. } => (row.id.clone(), Stuck::Move(refusal)),
            RowCall::Delete { row } | RowCall::Prune { row, .. } => (row.id.clone(), Stuck::Delete(refusal)),
            RowCall::Create { key, .. } => {
                // All rows of the pair: one would be asked for after the other.
                let from = self.object.status.as_ref().and_then(Pair::of)?.from;
                let rows = realm.read(|mirror| RemoteRows::rows(mirror, &from, key));
                let plan = &mut self.memory.plan().plan;
                plan.stuck.extend(rows.into_iter().map(|row| (row.id, Stuck::Make(refusal))));
                return None;
            }
        };
        self.memory.plan().plan.stuck.insert(id, stuck);
        None
    }

    /// Writes the keys into the Secret, both in one write.
    pub(super) async fn publish(&self, realm: &Realm, publish: &Publish) -> Result<(), PassError> {
        let before = match &self.memory.plan().secret {
            LastRead::Known(secret) => secret.clone(),
            LastRead::Unknown => None,
        };
        let key_of = |source: &Source| find(realm, before.as_deref(), source);
        let Some(current) = key_of(&publish.current) else { return Err(PassError::Conflict) };
        let previous = match &publish.previous {
            Some(source) => Some(key_of(source).ok_or(PassError::Conflict)?),
            None => None,
        };
        let keys = SigningKeys { current, previous };
        // Whatever comes of the write, what was read before it is old.
        self.memory.plan().secret = LastRead::Unknown;
        let written = secrets::publish(self.context, &self.object, before.as_deref(), &keys).await?;
        self.memory.plan().secret = LastRead::Known(Some(Arc::new(written)));
        let which = match &publish.current {
            Source::Remote(id) => format!("the signing key of remote endpoint {id} is in the Secret"),
            Source::New => "a new signing key is in the Secret".to_owned(),
            Source::Current | Source::Previous | Source::Home(_) => "the signing key is in the Secret".to_owned(),
        };
        let text = match publish.previous {
            Some(_) => format!("{which}; the one before it stays under \"previous\""),
            None => which,
        };
        self.context.events.publish_later(&*self.object, vec![Note::normal("SecretPublished", "Publish", text)]).await;
        Ok(())
    }
}

fn find(realm: &Realm, secret: Option<&ReadSecret>, source: &Source) -> Option<SecretText> {
    let value = |name| secret.and_then(|secret| secret.values.get(name).cloned());
    match source {
        Source::Remote(id) => realm.read(|mirror| mirror.endpoint(id).and_then(|endpoint| endpoint.key.clone())),
        Source::New => Some(new_key(rand::random())),
        Source::Home(home) => realm.provider().keyring().and_then(|keyring| keyring.key(home)),
        Source::Current => value("current"),
        Source::Previous => value("previous"),
    }
}
