//! Events that go on happening at the provider, a receiver that has mounted the Secret, and what must be said of both in
//! the end: nothing lost, nothing refused for good.

use std::sync::Arc;
use std::time::Duration;

use testbed::nexhealth::{Account, Receiver, SimConfig, Steady, verifying};
use testbed::volume::{Content, Volume};

use super::world::World;

/// Host of the target URLs that tests write.
const HOST: &str = "hooks.example.com";
/// When the provider repeats what was refused. The last time is before a new key shows that was published only when
/// deliveries were already signed with it: then something is refused for good.
const REPEATS: [u64; 4] = [30, 80, 200, 450];
/// How late the receiver's volume is. Below any `publishDelay` that a test asks for.
const LAG: Duration = Duration::from_millis(600);
/// The longest that messages may be on their way when nothing more happens.
const PATIENCE: Duration = Duration::from_secs(30);

/// Repeats within half a second instead of two days.
pub fn repeats(config: &mut SimConfig) {
    config.timing.retry_offsets = REPEATS.map(Duration::from_millis).to_vec();
}

/// How busy the receiver is at times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes everything that verifies.
    Calm,
    /// Of every third event it refuses the first three deliveries.
    Busy,
}

/// Deliveries under way.
pub struct Deliveries {
    receiver: Receiver,
    volume: Arc<Volume>,
    steady: Steady,
    pairs: Vec<(String, String)>,
}

impl Deliveries {
    /// Begins to let things happen, one every `pace`, when the receiver has a key.
    pub async fn start(world: &World, secret: &str, pairs: &[(&str, &str)], pace: Duration, mood: Mood) -> Self {
        let volume = Arc::new(Volume::mount(world.client.clone(), world.namespace.name(), secret, LAG));
        volume.mounted().await;
        let receiver = Receiver::start().await.unwrap();
        let mounted = volume.clone();
        let every = if mood == Mood::Busy { 3 } else { 0 };
        receiver.answer_with(verifying(move || mounted.keys(), every, 3));
        world.provider.route_host(HOST, receiver.address());
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(practice, event)| ((*practice).to_owned(), (*event).to_owned())).collect();
        let steady = Steady::start(&world.provider, pairs.clone(), pace);
        Self { receiver, volume, steady, pairs }
    }

    /// How many things have happened so far.
    pub fn count(&self) -> usize {
        self.steady.count()
    }

    /// What the Secret has held, each change once.
    pub fn contents(&self) -> Vec<Content> {
        self.volume.contents()
    }

    /// Lets nothing more happen, waits for what is on its way, and says what must not be. `twins` says that rows may have
    /// been there twice for a moment, because answers were lost.
    pub async fn end(&self, twins: bool) -> (Account, Vec<String>) {
        let account = match self.steady.account(&self.receiver, PATIENCE).await {
            Ok(account) => account,
            Err(why) => return (self.steady.tally(&self.receiver.received()), vec![format!("deliveries: {why}")]),
        };
        let mut broken = Vec::new();
        if account.happened < self.pairs.len() {
            broken.push(format!("deliveries: only {} events happened", account.happened));
        }
        if !account.lost.is_empty() {
            broken.push(format!("deliveries: {} events lost: {:?}", account.lost.len(), first(&account.lost)));
        }
        if !account.refused_for_good.is_empty() {
            let (count, given_up) = (account.refused_for_good.len(), &account.given_up);
            let some = first(&account.refused_for_good);
            broken.push(format!("deliveries: {count} events refused for good ({given_up:?}): {some:?}"));
        }
        if !twins && account.twice > 0 {
            broken.push(format!("deliveries: {} events were accepted twice", account.twice));
        }
        (account, broken)
    }
}

fn first<T>(list: &[T]) -> &[T] {
    &list[..list.len().min(3)]
}

/// Whether the contents of a Secret are those of whole rotations: `current` and `previous` change in one write.
pub fn torn(contents: &[Content]) -> Vec<String> {
    let mut torn = Vec::new();
    let whole: Vec<&Content> = contents.iter().filter(|content| content.current.is_some()).collect();
    for (before, after) in whole.iter().zip(whole.iter().skip(1)) {
        let rotated = before.current != after.current && after.previous == before.current;
        let retired = before.current == after.current && after.previous.is_none();
        if !rotated && !retired {
            torn.push(format!("the Secret went from {:?} to {:?}", before.fingerprints(), after.fingerprints()));
        }
    }
    torn
}

#[test]
fn a_torn_secret_is_found() {
    let content = |current: &str, previous: Option<&str>| Content {
        current: Some(current.to_owned()),
        previous: previous.map(str::to_owned),
    };
    let whole = [content("a", None), content("b", Some("a")), content("b", None), content("c", Some("b"))];
    assert_eq!(torn(&whole), Vec::<String>::new());
    assert_eq!(torn(&[content("a", None), content("b", None)]).len(), 1);
    assert_eq!(torn(&[content("a", None), content("a", Some("b")), content("b", Some("a"))]).len(), 1);
}
