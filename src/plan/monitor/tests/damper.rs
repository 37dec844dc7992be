//! A verdict that holds still, look by look: when it turns, when that is flapping, and when it will.

use std::time::Duration;

use jiff::Timestamp;

use crate::plan::monitor::damper::{Damper, Said, Seen};

const RECOVER: Duration = Duration::from_secs(300);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// What is said in open time, in one word.
fn say(damper: &mut Damper, second: i64, seen: Seen) -> &'static str {
    match damper.settle(seen, true, RECOVER, at(second)) {
        Said::Good => "good",
        Said::Bad { flapping: false, .. } => "bad",
        Said::Bad { flapping: true, .. } => "flapping",
        Said::Nothing => "nothing",
    }
}

fn check(damper: &mut Damper, looks: &[(i64, Seen, &str)]) {
    for (second, seen, said) in looks {
        assert_eq!(say(damper, *second, *seen), *said, "{seen:?} at {second}");
    }
}

#[test]
fn at_most_two_flips_in_any_60_minutes_and_a_third_into_bad_is_flapping() {
    let two = [(0, Seen::Good, "good"), (60, Seen::Bad, "bad"), (120, Seen::Good, "bad"), (420, Seen::Good, "good")];
    for (third, said) in [(60 + 3599, "flapping"), (60 + 3600, "bad")] {
        let mut damper = Damper::default();
        check(&mut damper, &two);
        check(&mut damper, &[(third, Seen::Bad, said)]);
    }
}

#[test]
fn a_third_flip_into_good_waits_until_30_good_minutes() {
    let mut damper = Damper::default();
    check(&mut damper, &[(0, Seen::Bad, "bad"), (60, Seen::Good, "bad"), (360, Seen::Good, "good")]);
    check(&mut damper, &[(400, Seen::Bad, "bad"), (460, Seen::Good, "bad"), (760, Seen::Good, "flapping")]);
    check(&mut damper, &[(460 + 1799, Seen::Good, "flapping"), (460 + 1800, Seen::Good, "good")]);
}

#[test]
fn a_restart_forgets_neither_flips_nor_flapping_nor_that_it_fell() {
    let mut bad = Damper::known(false, false, at(0));
    let said = bad.settle(Seen::Bad, true, RECOVER, at(60));
    assert_eq!(said, Said::Bad { flapping: false, since: at(0), fell: Some(at(0)) });
    check(&mut bad, &[(120, Seen::Good, "bad"), (420, Seen::Good, "good"), (480, Seen::Bad, "flapping")]);
    let mut flapping = Damper::known(false, true, at(0));
    check(&mut flapping, &[(60, Seen::Bad, "flapping"), (120, Seen::Good, "flapping"), (420, Seen::Good, "flapping")]);
    check(&mut flapping, &[(120 + 1800, Seen::Good, "good")]);
    let mut good = Damper::known(true, false, at(0));
    check(&mut good, &[(60, Seen::Bad, "bad")]);
    let mut new = Damper::default();
    let said = new.settle(Seen::Bad, true, RECOVER, at(0));
    assert_eq!(said, Said::Bad { flapping: false, since: at(0), fell: None }, "bad from the first look on");
}

#[test]
fn what_was_hidden_is_bad_again_only_once_it_is_seen_to_be_bad_in_open_time() {
    for (seen, open, said) in [
        (Seen::Bad, false, Said::Nothing),
        (Seen::Doubtful, true, Said::Nothing),
        (Seen::Good, true, Said::Nothing),
        (Seen::Bad, true, Said::Bad { flapping: false, since: at(0), fell: Some(at(0)) }),
    ] {
        let mut damper = Damper::known(false, false, at(0));
        damper.hide();
        assert_eq!(damper.settle(seen, open, RECOVER, at(60)), said, "{seen:?}, open: {open}");
    }
}

#[test]
fn recovery_begins_anew_after_looks_that_were_missed() {
    let mut damper = Damper::known(false, false, at(0));
    check(&mut damper, &[(60, Seen::Good, "bad"), (300, Seen::Good, "bad")]);
    damper.interrupted();
    check(&mut damper, &[(360, Seen::Good, "bad"), (659, Seen::Good, "bad"), (660, Seen::Good, "good")]);
}

#[test]
fn when_it_will_be_good_again_is_known_ahead() {
    let mut bad = Damper::known(false, false, at(0));
    check(&mut bad, &[(30, Seen::Bad, "bad")]);
    assert_eq!(bad.good_again(RECOVER), None, "nothing is good yet");
    check(&mut bad, &[(60, Seen::Good, "bad")]);
    assert_eq!(bad.good_again(RECOVER), Some(at(60 + 300)));
    check(&mut bad, &[(360, Seen::Good, "good")]);
    assert_eq!(bad.good_again(RECOVER), None, "it is good");
    let mut flapping = Damper::known(false, true, at(0));
    check(&mut flapping, &[(60, Seen::Good, "flapping")]);
    assert_eq!(flapping.good_again(RECOVER), Some(at(60 + 1800)), "30 good minutes");
    assert_eq!(flapping.good_again(RECOVER * 12), Some(at(60 + 3600)), "recover, if that is longer");
}
