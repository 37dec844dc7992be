//! The scenes of the demo, each at most a minute.

mod adopt;
mod checks;
mod crash;
mod main_path;
mod monitor;
mod providers;
mod rotation;

use std::pin::Pin;

use crate::Failure;
use crate::narrator::Narrator;
use crate::stage::Stage;

type Play = for<'a> fn(&'a Narrator, &'a mut Stage) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// One scene.
pub struct Scene {
    name: &'static str,
    about: &'static str,
    /// Plays it.
    pub play: Play,
}

const SCENES: &[Scene] = &[
    Scene {
        name: "main",
        about: "from YAML to signed events, repair, edit and deletion",
        play: |narrator, stage| Box::pin(main_path::play(narrator, stage)),
    },
    Scene {
        name: "crash",
        about: "the operator is killed and answers are lost while it creates; nothing is made twice",
        play: |narrator, stage| Box::pin(crash::play(narrator, stage)),
    },
    Scene {
        name: "adopt",
        about: "it takes over what somebody made by hand, without changing it",
        play: |narrator, stage| Box::pin(adopt::play(narrator, stage)),
    },
    Scene {
        name: "monitor",
        about: "a practice goes stale while it is open, recovers, and is left in peace at night",
        play: |narrator, stage| Box::pin(monitor::play(narrator, stage)),
    },
    Scene {
        name: "rotation",
        about: "the signing key is replaced under steady delivery, and the receiver notices nothing",
        play: |narrator, stage| Box::pin(rotation::play(narrator, stage)),
    },
    Scene {
        name: "providers",
        about: "NexHealth, Hero Health and Insight Health side by side, and an account at the wrong server",
        play: |narrator, stage| Box::pin(providers::play(narrator, stage)),
    },
];

/// The scene of this name; `main` if none is named.
pub fn find(name: Option<&str>) -> Result<&'static Scene, Failure> {
    let name = name.filter(|name| !name.is_empty()).unwrap_or("main");
    SCENES.iter().find(|scene| scene.name == name).ok_or_else(|| {
        let known = SCENES.iter().map(|scene| format!("  {:<9} {}", scene.name, scene.about));
        format!("there is no scene {name:?}; SCENE may be:\n{}", known.collect::<Vec<_>>().join("\n"))
    })
}
