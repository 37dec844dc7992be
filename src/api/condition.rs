//! Condition types and reasons: closed lists, because alerts and health checks are written against them. What each means and
//! what to do about it is in [`super::table`].

macro_rules! closed_names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every value, in the order they are documented.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name as it stands in the status of an object.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// The value of a name that stands in a status; `None` where this version does not know it.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use closed_names;

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody can tell now.
    Unknown,
}

impl Is {
    /// As it stands in the status of an object.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

closed_names! {
    /// Types of conditions.
    ConditionType {
        /// The summary: the remote side is as declared.
        Ready,
        /// Work is going on or waited for; present only while true.
        Reconciling,
        /// Only a person or a change of spec or reference is expected to help; present only while true.
        Stalled,
        /// The signing key is in the Secret.
        SecretPublished,
        /// The remote endpoint delivers.
        Active,
        /// The receiver takes what is signed with the published key and refuses what is not, as the last self-test found.
        /// Never touches Ready.
        Verified,
        /// The signing key is being replaced, the reason says how far; present only while it runs. Never touches Ready.
        Rotating,
        /// The signing key could not be replaced when it was due or in the time it should take; present only while true.
        /// Never touches Ready.
        RotationOverdue,
        /// Every declared event is in the provider's catalogue. Never touches Ready.
        KnownEvents,
        /// The provider reads the practice's data as often as `spec.read` wants it. Never touches Ready.
        ReadHealthy,
        /// What is written reaches the practice as soon as `spec.write` wants it. Never touches Ready.
        WriteHealthy,
        /// Both of them, in so far as they are judged. Never touches Ready.
        SyncHealthy,
        /// Many practices of an account went bad together; present only while true.
        ProviderWideOutage,
        /// The object is being deleted and something is in the way; present only while true.
        DeletionBlocked,
    }
}

closed_names! {
    /// Reasons of conditions.
    Reason {
        /// Ready: the remote side is as declared.
        InSync,
        /// Ready of an account: the provider accepts the key.
        Authenticated,
        /// First pass, or work under way.
        Progressing,
        /// The referenced account is not there.
        AccountNotFound,
        /// The referenced account cannot be used now; its own condition says why.
        AccountNotReady,
        /// The referenced endpoint is not there.
        EndpointNotFound,
        /// The referenced endpoint has no remote endpoint yet.
        EndpointNotReady,
        /// The referenced endpoint is switched off by its spec.
        EndpointInactive,
        /// The API key's Secret is not there, or somebody is replacing it.
        SecretMissing,
        /// The provider does not accept the API key, or the Secret holds none that could be sent.
        CredentialsRejected,
        /// The server is another provider's.
        OtherProvider,
        /// The account sees another world than before.
        ScopeSuspect,
        /// `spec.baseUrl` is not allowed.
        BaseUrlNotAllowed,
        /// The provider cannot be asked.
        ProviderUnavailable,
        /// The provider said no.
        Rejected,
        /// The provider said no to some items.
        PartlyRejected,
        /// An `http` target where the account does not allow it.
        InsecureTarget,
        /// The spec cannot be used as it stands.
        InvalidSpec,
        /// Another object declares the same target URL.
        Conflict,
        /// An endpoint that is not ours has the target URL.
        RemoteExists,
        /// Several unclaimed endpoints have the target URL, and nothing says which to adopt.
        AmbiguousRemote,
        /// The endpoint that `spec.adoptRemoteId` names cannot be taken.
        CannotAdopt,
        /// The ClusterProviderAccount does not lend what the spec asks for.
        NotGranted,
        /// Somebody outside this cluster changes the same thing back again and again.
        Contended,
        /// `spec.suspend` holds back what would have to be done.
        Suspended,
        /// The account's `managementPolicy: Observe` holds back what would have to be done.
        ObserveOnly,
        /// A Secret of the wanted name belongs to somebody else.
        SecretConflict,
        /// The provider does not show the signing key.
        KeyUnreadable,
        /// The Secret holds the signing key.
        Published,
        /// The signing key is lost: the Secret does not hold it, and the provider does not show it.
        KeyLost,
        /// Rotation: a second remote endpoint, and with it the new key, is being made.
        Preparing,
        /// Rotation: both keys are in the Secret, and receivers get time to load them.
        Publishing,
        /// Rotation: subscriptions are being moved to the new remote endpoint.
        Switching,
        /// Rotation: the former remote endpoint repeats what receivers had refused.
        Draining,
        /// Rotation: the former remote endpoint and its key are being removed.
        Retiring,
        /// The provider refuses a second endpoint with this target URL.
        DuplicateUrlRefused,
        /// Nothing says when the key was last replaced.
        BookkeepingLost,
        /// The provider neither moves a subscription nor makes it on the new remote endpoint.
        MoveRefused,
        /// It takes longer than it should.
        Overrun,
        /// As the spec wants it.
        AsDeclared,
        /// Deliveries are on.
        Delivering,
        /// The provider, or a person there, switched it off.
        SwitchedOffRemotely,
        /// Self-test: the receiver took the event signed with the published key and refused the one that was not.
        SignatureVerified,
        /// Self-test: the receiver did not refuse an event signed with a wrong key as it should.
        SignatureNotChecked,
        /// Self-test: the receiver did not take the event signed with the published key.
        Refused,
        /// Self-test: the receiver gave no answer, or may not be called from here.
        Unreachable,
        /// Self-test: the receiver's certificate is not one that a provider would accept.
        TlsInvalid,
        /// Another object declares the same pair otherwise.
        DeclaredElsewhere,
        /// Every declared event is known.
        AllKnown,
        /// Some declared events are not in the catalogue.
        UnknownEvents,
        /// The object is being deleted.
        Deleting,
        /// Other objects still need this one.
        InUse,
        /// The provider has nothing to register: the key is published, and people arrange the rest.
        Unmanaged,
        /// The provider has no such thing.
        NotSupportedByProvider,
        /// Rotation: only people can tell the provider the new key.
        ArrangedByPeople,
        /// A remote thing could not be deleted, or its absence not confirmed.
        RemoteNotDeleted,
        /// The sync is green and fresh.
        Green,
        /// The provider says that the sync is down.
        Red,
        /// The last good time is too long ago, in open time.
        Stale,
        /// It went bad and good again too often; it counts as bad until it has been good for a while.
        Flapping,
        /// No verdict yet, and the practice is closed.
        OfficeClosed,
        /// No verdict yet: the practice has just opened, or a first look is to be confirmed.
        CatchingUp,
        /// The provider shows no sync, or none that ever ran.
        NoSync,
        /// Our own last good look is too old to say anything.
        ObservationStale,
        /// Many practices of the account went bad together.
        ProviderWideOutage,
        /// The key does not reach a practice of this name.
        PracticeNotFound,
        /// The ConfigMap with the office hours is not there or cannot be read.
        OfficeHoursNotFound,
        /// The office hours cannot be used as they stand.
        InvalidOfficeHours,
        /// Nothing says in which time zone the practice is.
        TimeZoneUnknown,
    }
}

closed_names! {
    /// Reasons of one item of a subscription that failed.
    ItemReason {
        /// The key does not reach a practice of this name.
        PracticeNotFound,
        /// The key no longer reaches the practice; what is subscribed there stays for now.
        PracticeUnreachable,
        /// The event belongs to the account, not to a practice.
        NeedsAccountWide,
        /// The event belongs to a practice.
        NeedsPractice,
        /// `resourceType` is needed for an event that the catalogue does not know.
        ResourceTypeMissing,
        /// The provider said no.
        Rejected,
        /// Somebody else's webhook delivers the event to the same URL.
        RemoteExists,
        /// Switched off at the provider.
        SwitchedOffRemotely,
        /// Another object declares it otherwise.
        DeclaredElsewhere,
        /// Somebody outside this cluster changes it back again and again.
        Contended,
    }
}
