//! External webhooks.
