//! Schemas that list stable names as enumerations, so that generated clients get types for them.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::execution::{Outcome, Rule};
use crate::server::refusal::Code;

/// The schema of [`Outcome::name`].
pub(super) struct OutcomeName;

/// The schema of [`Rule::code`].
pub(super) struct RuleName;

/// The schema of [`Code::name`].
pub(super) struct CodeName;

impl PartialSchema for OutcomeName {
    fn schema() -> RefOr<Schema> {
        enumeration("How a program ended", Outcome::ALL.map(Outcome::name))
    }
}

impl ToSchema for OutcomeName {
    fn name() -> Cow<'static, str> {
        "Outcome".into()
    }
}

impl PartialSchema for RuleName {
    fn schema() -> RefOr<Schema> {
        enumeration("A rule that a program breaks", Rule::ALL.map(Rule::code))
    }
}

impl ToSchema for RuleName {
    fn name() -> Cow<'static, str> {
        "Rule".into()
    }
}

impl PartialSchema for CodeName {
    fn schema() -> RefOr<Schema> {
        enumeration("Why a request was refused", Code::all().map(Code::name))
    }
}

impl ToSchema for CodeName {
    fn name() -> Cow<'static, str> {
        "Code".into()
    }
}

fn enumeration(description: &str, names: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    schema.enum_values(Some(names)).into()
}
