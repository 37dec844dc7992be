//! Recipes against the documents' own words, and against everything that is nearly right.

use proptest::prelude::*;

use super::{
    HERO_HEALTH, HexCase, INSIGHT_HEALTH, Keys, Message, NEXHEALTH, Recipe, SecretText, Signed, SignedBy, new_key,
};

const ALL: [Recipe; 3] = [NEXHEALTH, HERO_HEALTH, INSIGHT_HEALTH];

const SECRET: &str = "NArWk7gdI96Bdn";
const TIMESTAMP: &str = "2024-03-21T17:52:47.824Z";
const BODY: &[u8] =
    br#"{"resource_type":"SyncStatus","event_name":"sync_status_read_change.green","subdomain":"test-subdomain"}"#;
const SIGNATURE: &str = "f0765e6c74f178d9d7d254d531d5e761e330295e4c8565631cfd7eb7785948b0";

fn key(text: &str) -> SecretText {
    SecretText::new(text)
}

fn at<'a>(timestamp: &'a str, body: &'a [u8]) -> Message<'a> {
    Message { timestamp: Some(timestamp), body }
}

fn by_one(recipe: Recipe, secret: &str, message: Message<'_>, signature: &str) -> bool {
    recipe.verify(Keys { current: &key(secret), previous: None }, message, signature).is_some()
}

#[test]
fn nexhealth_matches_the_test_vector() {
    assert_eq!(NEXHEALTH.sign(&key(SECRET), at(TIMESTAMP, BODY)).as_deref(), Some(SIGNATURE));
    assert!(by_one(NEXHEALTH, SECRET, at(TIMESTAMP, BODY), SIGNATURE));
}

/// Computed with another program: `printf '%s' TEXT | openssl dgst -sha256 -hmac NArWk7gdI96Bdn`.
#[test]
fn the_others_match_vectors_made_elsewhere() {
    let signed = HERO_HEALTH.sign(&key(SECRET), at("1711043567", BODY));
    assert_eq!(signed.as_deref(), Some("77ec9b893125052ed321eda599fa1ffecc3254cbbbd6dfad6faeb55cd0fb9163"));
    let signed = INSIGHT_HEALTH.sign(&key(SECRET), Message { timestamp: None, body: BODY });
    assert_eq!(signed.as_deref(), Some("sha256=853407931810a6c215d1bce679b0af6da8cb05f8a0f870e4190332cc0ec0f301"));
}

#[test]
fn the_headers_are_those_of_the_documents() {
    let headers = ALL.map(|recipe| (recipe.timestamp_header, recipe.signature_header));
    let expected = [
        (Some("timestamp"), "signature"),
        (Some("x-herohealth-timestamp"), "x-herohealth-signature"),
        (None, "x-webhook-signature"),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn base64_is_padded_standard_and_on_one_line() {
    // 1 byte over a multiple of 3, letters that differ in the URL-safe alphabet, and longer than any line of MIME.
    let body = [0xfb, 0xff, 0xbe].repeat(100).into_iter().chain([0xff]).collect::<Vec<u8>>();
    let text = format!("{}/w==", "+/++".repeat(100));
    let bare = Recipe { signed: Signed::TimestampAndBody, ..NEXHEALTH };
    let expected = bare.sign(&key(SECRET), at(TIMESTAMP, text.as_bytes()));
    assert!(expected.is_some());
    assert_eq!(NEXHEALTH.sign(&key(SECRET), at(TIMESTAMP, &body)), expected);
}

#[test]
fn the_raw_body_counts_not_what_it_means() {
    let pretty = String::from_utf8_lossy(BODY).replace(",", ", ");
    for recipe in ALL {
        let signature = recipe.sign(&key(SECRET), at(TIMESTAMP, BODY)).unwrap();
        assert!(!by_one(recipe, SECRET, at(TIMESTAMP, pretty.as_bytes()), &signature), "{recipe:?}");
    }
}

#[test]
fn upper_case_is_refused_only_where_the_provider_is_known_to_send_lower() {
    for recipe in ALL {
        let signature = recipe.sign(&key(SECRET), at(TIMESTAMP, BODY)).unwrap();
        let digits = &signature[recipe.prefix.len()..];
        let upper = format!("{}{}", recipe.prefix, digits.to_uppercase());
        let genuine = by_one(recipe, SECRET, at(TIMESTAMP, BODY), &upper);
        assert_eq!(genuine, recipe.case == HexCase::Either, "{recipe:?}");
    }
    assert_eq!(NEXHEALTH.case, HexCase::Lower);
}

#[test]
fn what_is_no_signature_is_refused() {
    for recipe in ALL {
        let signature = recipe.sign(&key(SECRET), at(TIMESTAMP, BODY)).unwrap();
        let digits = &signature[recipe.prefix.len()..];
        let (short, long) = (&signature[..signature.len() - 2], format!("{signature}00"));
        let (padded, other_prefix) = (format!("{signature} "), format!("sha1={digits}"));
        for wrong in ["", recipe.prefix, short, &long, &padded, &other_prefix, "not hex", &"0".repeat(64)] {
            assert!(!by_one(recipe, SECRET, at(TIMESTAMP, BODY), wrong), "{recipe:?} {wrong:?}");
        }
    }
    // Each way around: a prefix where none belongs, and none where one does.
    assert!(!by_one(NEXHEALTH, SECRET, at(TIMESTAMP, BODY), &format!("sha256={SIGNATURE}")));
    let bare = INSIGHT_HEALTH.sign(&key(SECRET), at(TIMESTAMP, BODY)).unwrap().replace("sha256=", "");
    assert!(!by_one(INSIGHT_HEALTH, SECRET, at(TIMESTAMP, BODY), &bare));
}

#[test]
fn an_empty_key_neither_signs_nor_verifies() {
    let message = at(TIMESTAMP, BODY);
    for recipe in ALL {
        assert_eq!(recipe.sign(&key(""), message), None);
    }
    // The bare body's HMAC with an empty key, which anybody can make.
    let forged = "sha256=c6a57b4c4eeeb32d9ceda06dae3d1f76de34f2b0176e50b561fcefa7cf36d2ca";
    let (empty, other) = (key(""), key(SECRET));
    for keys in [Keys { current: &empty, previous: Some(&other) }, Keys { current: &other, previous: Some(&empty) }] {
        assert_eq!(INSIGHT_HEALTH.verify(keys, message, forged), None);
    }
    let signature = INSIGHT_HEALTH.sign(&other, message).unwrap();
    let keys = Keys { current: &empty, previous: Some(&other) };
    assert_eq!(INSIGHT_HEALTH.verify(keys, message, &signature), Some(SignedBy::Previous));
}

#[test]
fn a_timestamp_that_is_signed_must_be_there() {
    let message = Message { timestamp: None, body: BODY };
    assert_eq!(NEXHEALTH.sign(&key(SECRET), message), None);
    assert_eq!(HERO_HEALTH.sign(&key(SECRET), message), None);
    assert_eq!(NEXHEALTH.sign(&key(SECRET), at("", BODY)), None);
    assert!(!by_one(NEXHEALTH, SECRET, message, SIGNATURE));
}

#[test]
fn the_beginning_of_a_body_cannot_be_passed_off_as_the_time() {
    let signature = HERO_HEALTH.sign(&key(SECRET), at("1711043567", br#"{"a":1.5}"#)).unwrap();
    assert!(by_one(HERO_HEALTH, SECRET, at("1711043567", br#"{"a":1.5}"#), &signature));
    assert!(!by_one(HERO_HEALTH, SECRET, at(r#"1711043567.{"a":1"#, b"5}"), &signature));
}

#[test]
fn a_new_key_holds_all_of_its_randomness() {
    let bytes: [u8; 32] = std::array::from_fn(|place| u8::try_from(place).unwrap());
    let made = new_key(bytes);
    assert_eq!(made.expose(), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let mut nearly = bytes;
    nearly[31] ^= 1;
    assert!(made != new_key(nearly));
}

/// Keys as providers and people make them: any text that is not empty.
fn any_key() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9]{8,20}", "\\PC{1,80}"]
}

fn any_recipe() -> impl Strategy<Value = Recipe> {
    proptest::sample::select(ALL.to_vec())
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..300)
}

const ANY_TIME: &str = "[0-9A-Z:.+-]{1,30}";

proptest! {
    #[test]
    fn either_key_verifies_and_their_order_changes_only_the_name(
        recipe in any_recipe(), a in any_key(), b in any_key(), time in ANY_TIME, body in any_body(),
    ) {
        prop_assume!(a != b);
        let (a, b) = (key(&a), key(&b));
        let message = at(&time, &body);
        let signature = recipe.sign(&a, message).unwrap();
        let verdict = |current, previous| recipe.verify(Keys { current, previous }, message, &signature);
        prop_assert_eq!(verdict(&a, Some(&b)), Some(SignedBy::Current));
        prop_assert_eq!(verdict(&b, Some(&a)), Some(SignedBy::Previous));
        prop_assert_eq!(verdict(&a, None), Some(SignedBy::Current));
        prop_assert_eq!(verdict(&a, Some(&a)), Some(SignedBy::Current));
        prop_assert_eq!(verdict(&b, None), None);
        prop_assert_eq!(verdict(&b, Some(&b)), None);
    }

    #[test]
    fn any_changed_byte_is_refused(
        recipe in any_recipe(), secret in any_key(), time in ANY_TIME, body in any_body(),
        which in 0..3usize, place in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        let signature = recipe.sign(&key(&secret), at(&time, &body)).unwrap();
        prop_assert!(by_one(recipe, &secret, at(&time, &body), &signature));
        let mut parts = [time.clone().into_bytes(), body.clone(), signature.clone().into_bytes()];
        prop_assume!(!parts[which].is_empty() && (which > 0 || recipe.timestamp_header.is_some()));
        let place = place.index(parts[which].len());
        parts[which][place] ^= flip;
        let [changed_time, changed_body, changed_signature] = parts;
        // Headers are text; what is none does not get this far.
        let (Ok(changed_time), Ok(changed_signature)) =
            (String::from_utf8(changed_time), String::from_utf8(changed_signature))
        else { return Ok(()) };
        let same_digest = which == 2
            && recipe.case == HexCase::Either
            && changed_signature.eq_ignore_ascii_case(&signature)
            && changed_signature.starts_with(recipe.prefix);
        let genuine = by_one(recipe, &secret, at(&changed_time, &changed_body), &changed_signature);
        prop_assert_eq!(genuine, same_digest);
    }

    #[test]
    fn other_lengths_are_refused(
        recipe in any_recipe(), secret in any_key(), time in ANY_TIME, body in any_body(), more in any::<u8>(),
    ) {
        let signature = recipe.sign(&key(&secret), at(&time, &body)).unwrap();
        let mut longer = body.clone();
        longer.push(more);
        prop_assert!(!by_one(recipe, &secret, at(&time, &longer), &signature));
        if !body.is_empty() {
            prop_assert!(!by_one(recipe, &secret, at(&time, &body[..body.len() - 1]), &signature));
        }
    }

    /// No delivery of NexHealth is the same signed text as another one, because base64 has no dot.
    #[test]
    fn nexhealth_has_one_text_for_each_delivery(
        time in "[0-9A-Z:.]{1,12}", body in any_body(), other_time in "[0-9A-Z:.]{1,12}", other_body in any_body(),
    ) {
        prop_assume!((&time, &body) != (&other_time, &other_body));
        let sign = |time: &str, body: &[u8]| NEXHEALTH.sign(&key(SECRET), at(time, body)).unwrap();
        prop_assert_ne!(sign(&time, &body), sign(&other_time, &other_body));
    }
}
