//! Decoding of what NexHealth sends, with every quirk that was seen.

use super::*;
use proptest::prelude::*;

const ENDPOINT: &str = r#"{"id":16271,"target_url":"https://h.test/a","secret_key":"NArWk7gdI96Bdn","active":true,
  "created_at":"2024-03-21T17:52:47.824Z","updated_at":"2024-03-21T17:52:47+00:00","more":{"x":1}}"#;
const ROW: &str = r#"{"id":51664,"webhook_endpoint_id":"16271","institution_id":7,"resource_type":"Brand New",
  "event":"brand_new","active":false,"created_at":1711043567,"updated_at":null,"version":"v3.1.0"}"#;

fn endpoints(body: &str) -> Option<Vec<RemoteEndpoint>> {
    list::<Endpoint>(body.as_bytes(), Count::Whole)?.into_iter().map(Endpoint::whole).collect()
}

fn rows(body: &str) -> Option<Vec<RemoteRow>> {
    let mut texts = Texts::default();
    list::<Row>(body.as_bytes(), Count::Whole)?
        .into_iter()
        .map(|row| row.whole(&RemoteId::new("1"), &mut texts))
        .collect()
}

fn good(data: &str) -> String {
    format!(r#"{{"code":true,"data":{data}}}"#)
}

#[test]
fn envelopes_of_every_documented_shape() {
    for extra in [
        "",
        r#","description":"Ok","error":[]"#,
        r#","description":["a"],"error":"text""#,
        r#","description":[["Description"]],"error":null"#,
        r#","description":null,"error":["Note that following parameters are ignored: x."]"#,
        r#","count":1,"page_info":null"#,
        r#","count":"many","page_info":[]"#,
        r#","count":0,"page_info":{"has_next_page":false,"end_cursor":"x"}"#,
        r#","page_info":{"has_next_page":null},"new":[1,{}]"#,
    ] {
        let list = endpoints(&format!(r#"{{"code":true,"data":[{ENDPOINT}]{extra}}}"#)).unwrap();
        assert_eq!(list.len(), 1, "{extra}");
    }
}

#[test]
fn what_is_not_a_good_list() {
    for body in [
        String::new(),
        "<html>oops</html>".into(),
        "[]".into(),
        "null".into(),
        "{}".into(),
        good("null"),
        good("{}"),
        good("[null]"),
        good(&format!("[{ENDPOINT},{{}}]")),
        good(&format!("[{ENDPOINT},7]")),
        format!(r#"{{"code":false,"data":[{ENDPOINT}]}}"#),
        format!(r#"{{"data":[{ENDPOINT}]}}"#),
        format!(r#"{{"code":"yes","data":[{ENDPOINT}]}}"#),
        format!(r#"{{"code":true,"data":[{ENDPOINT}],"page_info":{{"has_next_page":true}}}}"#),
        format!(r#"{{"code":true,"data":[{ENDPOINT}],"page_info":{{"has_next_page":"true"}}}}"#),
        format!(r#"{{"code":true,"data":[{ENDPOINT}],"count":2}}"#),
        good(&format!("[{}]", ENDPOINT.replace("16271", "\"../x\""))),
        good(&format!("[{}]", ENDPOINT.replace("16271", "-1"))),
        good(&format!("[{}]", ENDPOINT.replace("16271", "\"\""))),
        good(&format!("[{}]", ENDPOINT.replace(r#""active":true"#, r#""active":null"#))),
        good(&format!("[{}]", ENDPOINT.replace("target_url", "url"))),
    ] {
        assert!(endpoints(&body).is_none(), "{body}");
    }
    let filtered = format!(r#"{{"code":true,"data":[{ENDPOINT}],"count":2}}"#);
    assert!(list::<Endpoint>(filtered.as_bytes(), Count::Ignore).is_some());
}

#[test]
fn every_cut_of_a_list_is_refused() {
    let body = good(&format!("[{ENDPOINT}]"));
    for length in 0..body.len() {
        assert!(endpoints(&body[..length]).is_none(), "{length}");
    }
}

#[test]
fn an_endpoint() {
    let endpoint = endpoints(&good(&format!("[{ENDPOINT}]"))).unwrap().remove(0);
    assert_eq!(endpoint.id, RemoteId::new("16271"));
    assert_eq!(endpoint.created_at, Some("2024-03-21T17:52:47.824Z".parse().unwrap()));
    assert_eq!(endpoint.updated_at, Some("2024-03-21T17:52:47Z".parse().unwrap()));
    assert!(endpoint.key == Some(SecretText::new("NArWk7gdI96Bdn")));
    for time in ["null", "7", "\"\"", "\"yesterday\"", "\"2024-13-01T00:00:00Z\"", "{}"] {
        let body = good(&format!("[{}]", ENDPOINT.replace(r#""2024-03-21T17:52:47.824Z""#, time)));
        assert_eq!(endpoints(&body).unwrap()[0].created_at, None, "{time}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_none() {
    for key in [
        "null",
        "\"\"",
        "\"        \"",
        "\"********\"",
        "\"••••••••••\"",
        "\"xxxxxxxxxxxx\"",
        "\"XXXX-XXXX\"",
        "\"NArW*****\"",
        "\"NArWk7g...\"",
        "\"short12\"",
        "\"[FILTERED]\"",
        "\"<hidden key>\"",
        "12345678901",
        "true",
        "{}",
        "[\"NArWk7gdI96Bdn\"]",
    ] {
        let body = good(&format!("[{}]", ENDPOINT.replace("\"NArWk7gdI96Bdn\"", key)));
        assert!(endpoints(&body).unwrap()[0].key.is_none(), "{key}");
    }
    assert!(endpoints(&good(&format!("[{}]", ENDPOINT.replace("secret_key", "other")))).unwrap()[0].key.is_none());
    for key in ["12345678", "xX.y-z_1", "a*b**c*d", "-_-_-_-a"] {
        assert!(usable_key(key.to_owned()).is_some(), "{key}");
    }
}

#[test]
fn a_row() {
    let row = rows(&good(&format!("[{ROW}]"))).unwrap().remove(0);
    assert_eq!((row.id.as_str(), row.endpoint.as_str(), row.active), ("51664", "16271", false));
    assert_eq!((&*row.resource_type, &*row.event, row.practice.as_deref()), ("Brand New", "brand_new", Some("7")));
    let of_account = rows(&good(&format!("[{}]", ROW.replace(":7", ":null")))).unwrap().remove(0);
    assert_eq!(of_account.practice, None);
    let silent = rows(&good(&format!("[{}]", ROW.replace("webhook_endpoint_id", "x")))).unwrap().remove(0);
    assert_eq!(silent.endpoint, RemoteId::new("1"), "the listed endpoint");
    assert!(rows(&good(&format!("[{}]", ROW.replace("institution_id", "x")))).is_none(), "absent is not null");
    assert!(rows(&good(&format!("[{}]", ROW.replace("\"event\"", "\"x\"")))).is_none());
}

#[test]
fn texts_of_a_list_are_shared() {
    let list = rows(&good(&format!("[{ROW},{ROW}]"))).unwrap();
    assert!(Arc::ptr_eq(&list[0].event, &list[1].event));
}

#[test]
fn institutions_and_tokens() {
    let body = good(r#"[{"id":1,"subdomain":"sunshine","name":null,"locations":[]},{"id":"2","subdomain":"b"}]"#);
    let list: Vec<Practice> =
        list::<Institution>(body.as_bytes(), Count::Whole).unwrap().into_iter().map(Practice::from).collect();
    assert_eq!((&*list[0].name, &*list[0].key, &*list[1].key), ("sunshine", "1", "2"));
    assert_eq!(token(good(r#"{"token":"abc"}"#).as_bytes()).unwrap().expose(), "abc");
    for data in ["null", "{}", r#"{"token":null}"#, r#"{"token":""}"#, "[]"] {
        assert!(token(good(data).as_bytes()).is_none(), "{data}");
    }
}

#[test]
fn deletes_are_confirmed_by_silence_or_success() {
    for (body, confirmed) in [
        ("", true),
        (" \n", true),
        (r#"{"code":true}"#, true),
        (r#"{"code":false}"#, false),
        ("{}", false),
        ("<", false),
    ] {
        assert_eq!(confirms(body.as_bytes()), confirmed, "{body}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let field = prop_oneof![
            Just("id".to_owned()),
            Just("target_url".to_owned()),
            Just("secret_key".to_owned()),
            Just("active".to_owned()),
            Just("institution_id".to_owned()),
            Just("created_at".to_owned()),
            "[a-z]{1,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((field, inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn decode_all(body: &[u8]) {
    for count in [Count::Whole, Count::Ignore] {
        let _ = list::<Endpoint>(body, count).map(|all| all.into_iter().filter_map(Endpoint::whole).count());
        let mut texts = Texts::default();
        let endpoint = RemoteId::new("1");
        let _ = list::<Row>(body, count)
            .map(|all| all.into_iter().filter_map(|row| row.whole(&endpoint, &mut texts)).count());
        let _ = list::<Institution>(body, count);
    }
    let _ = (object::<Endpoint>(body), object::<Row>(body), token(body), confirms(body));
}

proptest! {
    #[test]
    fn random_bytes_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_all(&body);
    }

    #[test]
    fn random_json_in_the_envelope_does_not_panic(data in any_json(), code in any_json(), rest in any_json()) {
        decode_all(serde_json::json!({"code": true, "data": data}).to_string().as_bytes());
        decode_all(serde_json::json!({"code": code, "data": [data], "page_info": rest, "count": rest}).to_string().as_bytes());
    }
}
