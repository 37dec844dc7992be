//! The self-test of an endpoint as metrics see it.

use jiff::Timestamp;

/// What the last self-test of an endpoint found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTestFacts {
    /// Class of the answer to the event signed with the published key, such as `2xx`; `none` where no answer came.
    pub genuine: &'static str,
    /// The same for the one signed with a wrong key; `None`: not sent.
    pub forged: Option<&'static str>,
    /// Until when the receiver's certificate is valid, where it was seen.
    pub certificate_expiry: Option<Timestamp>,
}

impl SelfTestFacts {
    /// Each event with the class of its answer.
    pub(super) fn answers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [("genuine", Some(self.genuine)), ("forged", self.forged)]
            .into_iter()
            .filter_map(|(event, class)| Some((event, class?)))
    }

    /// The certificate's end, in seconds since 1970.
    #[allow(clippy::cast_precision_loss)] // exact until the year 285 million
    pub(super) fn expiry(&self) -> Option<f64> {
        self.certificate_expiry.map(|expiry| expiry.as_second() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::metrics::{Kind, Metrics, ObjectKey};

    #[test]
    fn only_the_present_answers_are_told() {
        let (metrics, intake) = (Metrics::new(), ObjectKey::new(Kind::WebhookEndpoint, "clinics", "intake"));
        let expiry = Some(Timestamp::from_second(1_800_000_000).unwrap());
        let told = |facts| {
            metrics.set_self_test(&intake, facts);
            let page = metrics.encode().unwrap();
            let own = |line: &&str| line.contains("self_test") || line.contains("certificate");
            page.lines().filter(|line| !line.starts_with('#')).filter(own).map(str::to_owned).collect::<Vec<_>>()
        };
        let labels = "kind=\"WebhookEndpoint\",namespace=\"clinics\",name=\"intake\"";
        let first = told(Some(SelfTestFacts { genuine: "2xx", forged: Some("4xx"), certificate_expiry: expiry }));
        let expected = [
            format!("external_webhooks_self_test_answer{{{labels},event=\"genuine\",class=\"2xx\"}} 1"),
            format!("external_webhooks_self_test_answer{{{labels},event=\"forged\",class=\"4xx\"}} 1"),
            format!("external_webhooks_target_certificate_expiry_timestamp_seconds{{{labels}}} 1800000000.0"),
        ];
        assert_eq!(first, expected);
        let next = told(Some(SelfTestFacts { genuine: "none", forged: None, certificate_expiry: None }));
        assert_eq!(
            next,
            [format!("external_webhooks_self_test_answer{{{labels},event=\"genuine\",class=\"none\"}} 1")]
        );
        assert_eq!(told(None), Vec::<String>::new());
    }
}
