//! Which requests a user made, by the API server's own account: a client cannot be trusted to count itself.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::Deserialize;

use super::Error;

/// A view of the audit log. The server writes a request's line before its answer is complete, so what a test has awaited is in it.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

/// A point in the audit log; requests before it do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark(u64);

/// One request as the API server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRequest {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Plural name, empty for a request that is not about a resource (`/version`, discovery).
    pub resource: String,
    /// `status`, `token` and the like, or empty.
    pub subresource: String,
    /// Empty for cluster-wide requests.
    pub namespace: String,
    /// Empty for lists, watches and creates.
    pub name: String,
    /// The HTTP status of the answer; 403 marks a missing rule, 409 a conflict.
    pub code: u16,
    /// `system:serviceaccount:<namespace>:<name>` for the operator.
    pub user: String,
    /// The path with its query, to tell a resumed watch from a new one or a metadata request from a whole one.
    pub uri: String,
}

impl Audit {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The present end of the log: one `stat`, cheap enough for every step of a test.
    pub fn mark(&self) -> Mark {
        // No file yet means no request yet.
        Mark(self.path.metadata().map_or(0, |meta| meta.len()))
    }

    /// Requests since `since` of users whose name contains `user_contains` (empty: all but the control plane itself), oldest
    /// first. A watch counts once, when it begins; every other request when it is answered.
    pub fn requests(&self, user_contains: &str, since: Mark) -> Result<Vec<AuditRequest>, Error> {
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(since.0))?;
            file.read_to_end(&mut text)
        });
        match read {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::Io { path: self.path.clone(), source })
            }
            _ => Ok(parse(&text).filter(|request| request.user.contains(user_contains)).collect()),
        }
    }
}

/// A line that does not parse is the last one, still being written: its request has not been answered.
fn parse(text: &[u8]) -> impl Iterator<Item = AuditRequest> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .filter_map(Line::request)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
}

impl Line {
    fn request(self) -> Option<AuditRequest> {
        // A watch has two lines, also one that is refused: when its answer begins and when it ends. Other requests have one.
        let counts = self.verb != "watch" || self.stage != "ResponseComplete";
        counts.then_some(AuditRequest {
            verb: self.verb,
            resource: self.object_ref.resource,
            subresource: self.object_ref.subresource,
            namespace: self.object_ref.namespace,
            name: self.object_ref.name,
            code: self.response_status.code,
            user: self.user.username,
            uri: self.uri,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verb: &str, stage: &str, code: u16) -> String {
        format!(
            r#"{{"stage":"{stage}","verb":"{verb}","requestURI":"/api","user":{{"username":"u"}},"responseStatus":{{"code":{code}}}}}"#
        )
    }

    #[test]
    fn a_watch_counts_once_and_a_torn_line_not_at_all() {
        let text = [
            line("watch", "ResponseStarted", 200),
            line("watch", "ResponseComplete", 200),
            line("watch", "ResponseStarted", 403),
            line("watch", "ResponseComplete", 403),
            line("get", "ResponseComplete", 404),
            r#"{"stage":"Resp"#.to_owned(),
        ]
        .join("\n");
        let seen: Vec<(String, u16)> = parse(text.as_bytes()).map(|request| (request.verb, request.code)).collect();
        assert_eq!(seen, [("watch".to_owned(), 200), ("watch".to_owned(), 403), ("get".to_owned(), 404)]);
    }
}
