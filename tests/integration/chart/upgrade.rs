//! From the version before the last change of the definitions to this one, and back.
