//! What can happen in the property test.

use proptest::prelude::*;

/// One thing that happens. `nth` picks among what is under way, wrapping around.
#[derive(Clone, Debug)]
pub(super) enum Op {
    ListStart { to: bool },
    Round,
    ListEnd { nth: usize, dice: u64 },
    ListFail { nth: usize },
    Plan { pair: u8 },
    Move { pair: u8 },
    Switch { pair: u8, to: bool },
    Land { nth: usize },
    Answer { nth: usize },
    Lose { nth: usize },
    LandLate { nth: usize },
    Wait { seconds: i64 },
    ForeignDelete { nth: usize },
    ForeignCreate { pair: u8, to: bool, low: bool },
    ForeignMove { nth: usize },
}

/// Lists, plans and landings are likelier than accidents.
pub(super) fn op() -> impl Strategy<Value = Op> {
    let nth = || 0..6_usize;
    let pair = || 0..super::property::PAIRS;
    prop_oneof![
        6 => any::<bool>().prop_map(|to| Op::ListStart { to }),
        3 => Just(Op::Round),
        6 => (nth(), any::<u64>()).prop_map(|(nth, dice)| Op::ListEnd { nth, dice }),
        1 => nth().prop_map(|nth| Op::ListFail { nth }),
        6 => pair().prop_map(|pair| Op::Plan { pair }),
        3 => pair().prop_map(|pair| Op::Move { pair }),
        1 => (pair(), any::<bool>()).prop_map(|(pair, to)| Op::Switch { pair, to }),
        5 => nth().prop_map(|nth| Op::Land { nth }),
        4 => nth().prop_map(|nth| Op::Answer { nth }),
        2 => nth().prop_map(|nth| Op::Lose { nth }),
        2 => nth().prop_map(|nth| Op::LandLate { nth }),
        2 => (1..40_i64).prop_map(|seconds| Op::Wait { seconds }),
        2 => nth().prop_map(|nth| Op::ForeignDelete { nth }),
        1 => (pair(), any::<bool>(), any::<bool>()).prop_map(|(pair, to, low)| Op::ForeignCreate { pair, to, low }),
        1 => nth().prop_map(|nth| Op::ForeignMove { nth }),
    ]
}
