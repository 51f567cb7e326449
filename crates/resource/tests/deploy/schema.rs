//! Validates a resource against the schema of its API.

use boon::{Compiler, Draft, Schemas};
use serde_json::Value;

/// Checks a resource; the error names the fields.
pub fn check(schema: &Value, resource: &Value) -> Result<(), String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.set_default_draft(Draft::V7);
    compiler.add_resource("schema.json", schema.clone()).map_err(|error| error.to_string())?;
    let index = compiler.compile("schema.json", &mut schemas).map_err(|error| format!("{error:#}"))?;
    schemas.validate(resource, index).map_err(|error| error.to_string())
}
