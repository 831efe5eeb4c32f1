//! Tools that are HTTP requests to services.

mod definition;
mod place;
mod template;
mod url;

pub(crate) use definition::{HttpTool, Service};
pub(crate) use place::{Places, Query, header_name, takes_body};
pub(crate) use template::Template;
pub(crate) use url::BaseUrl;
