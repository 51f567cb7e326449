//! Pulls an image and writes its layout.

use anyhow::{Context, Result};
use oci::{Reader, Reference};

use super::Args;
use crate::Usage;
use crate::output;
use crate::registry;

pub(crate) fn run(args: &Args) -> Result<bool> {
    let reference = Reference::parse(&args.image).map_err(Usage::from)?;
    let pulled = oci::registry::pull(&reference, args.access.library(), &registry::progress);
    let pulled = pulled.map_err(|error| registry::explain(error, &args.access))?;
    let folder = args.layout.clone().unwrap_or_else(|| reference.name().into());
    pulled.layout.write_folder(&folder)?;
    if let Some(file) = &args.module {
        let image = Reader::Any.image(&pulled.layout, &pulled.image)?;
        let module = Reader::Any.module(&pulled.layout, &image.manifest)?;
        std::fs::write(file, module).with_context(|| format!("writing {}", file.display()))?;
    }
    anstream::println!("{}", pulled.image.digest);
    if pulled.image.is_index()
        && let Ok(image) = Reader::Any.image(&pulled.layout, &pulled.image)
    {
        output::step(format_args!("an index; its image for linux/amd64 is {}", image.descriptor.digest));
    }
    output::step(format_args!("wrote {}", folder.display()));
    Ok(true)
}
