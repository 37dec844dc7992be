//! Changes made by a person in the provider's portal, behind the operator's back.

use super::{
    catalogue::ONBOARDING,
    journal::Actor,
    model::{Endpoint, Institution, Row},
    simulator::Core,
    world::{EndpointPatch, NewRow, RowPatch},
};

/// A person at the portal. Nothing here is checked against the API's rules.
pub struct Portal<'a> {
    core: &'a Core,
}

impl<'a> Portal<'a> {
    pub(crate) fn new(core: &'a Core) -> Self {
        Self { core }
    }

    /// A new active endpoint of this organisation.
    pub fn create_endpoint(&self, organisation: &str, target_url: &str) -> Endpoint {
        self.core.change(|world| world.create_endpoint(&Actor::Person, organisation, target_url, true))
    }

    /// Changes an endpoint; `None` if there is no such.
    pub fn patch_endpoint(&self, id: i64, patch: &EndpointPatch) -> Option<Endpoint> {
        self.core.change(|world| world.patch_endpoint(&Actor::Person, id, patch))
    }

    /// Switches an endpoint on or off.
    pub fn set_endpoint_active(&self, id: i64, active: bool) -> Option<Endpoint> {
        self.patch_endpoint(id, &EndpointPatch { target_url: None, active: Some(active) })
    }

    /// The provider itself switches an endpoint off, as after days of failed deliveries, in one moment with its rows where
    /// the switches say so.
    pub fn deactivate(&self, id: i64) {
        self.core.change(|world| world.deactivate(id));
    }

    /// Removes an endpoint and its rows; false if there is no such.
    pub fn delete_endpoint(&self, id: i64) -> bool {
        self.core.change(|world| world.delete_endpoint(&Actor::Person, id))
    }

    /// A new active row; the subdomain is left aside for Onboarding. `None` if endpoint or institution are unknown.
    pub fn create_row(&self, endpoint_id: i64, subdomain: &str, resource_type: &str, event: &str) -> Option<Row> {
        self.core.change(|world| {
            if !world.endpoints.contains_key(&endpoint_id) {
                return None;
            }
            let institution = if resource_type == ONBOARDING {
                None
            } else {
                let found = world.institution(subdomain)?;
                Some((found.id, found.subdomain.clone()))
            };
            let new = NewRow {
                endpoint_id,
                institution,
                resource_type: resource_type.to_owned(),
                event: event.to_owned(),
                active: true,
                version: None,
            };
            Some(world.create_row(&Actor::Person, new))
        })
    }

    /// Changes or moves a row; `None` if there is no such.
    pub fn patch_row(&self, id: i64, patch: RowPatch) -> Option<Row> {
        self.core.change(|world| world.patch_row(&Actor::Person, id, patch))
    }

    /// Removes a row; false if there is no such.
    pub fn delete_row(&self, id: i64) -> bool {
        self.core.change(|world| world.delete_row(&Actor::Person, id))
    }

    /// The organisation reaches this institution from now on; false if there is no such organisation.
    pub fn add_institution(&self, organisation: &str, institution: Institution) -> bool {
        self.core.change(|world| world.add_institution(&Actor::Person, organisation, institution))
    }

    /// Nobody reaches this institution any more. Its rows stay. Returns what was removed.
    pub fn remove_institution(&self, subdomain: &str) -> Option<Institution> {
        self.core.change(|world| world.remove_institution(&Actor::Person, subdomain))
    }
}
