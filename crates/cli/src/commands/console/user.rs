//! `console user`: the users file.

use std::env;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use console::access;
use console::users::{self, EVERY, Role, Roles, Users};

use super::{AddUser, NamedUser, User, UsersFile};
use crate::Usage;
use crate::output::{mark, table};

pub(super) fn run(command: &User) -> Result<bool> {
    match command {
        User::Add(args) => add(args),
        User::Remove(args) => remove(args),
        User::List(args) => list(args),
    }
}

impl UsersFile {
    fn path(&self) -> Result<PathBuf> {
        if let Some(file) = &self.users {
            return Ok(file.clone());
        }
        let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        let base = base.context("neither XDG_CONFIG_HOME nor HOME is set: name the file with `--users`")?;
        Ok(base.join("portcullis/users.json"))
    }
}

fn add(args: &AddUser) -> Result<bool> {
    let file = args.file.path()?;
    users::check_name(&args.name).map_err(Usage)?;
    let roles = args.role.iter().map(|text| role(text)).collect::<Result<Roles>>()?;
    let mut all = Users::read_or_empty(&file)?;
    let is_new = all.get(&args.name).is_none();
    let password = password(args)?;
    users::check_password(&password).map_err(Usage)?;
    let hash = users::hash(&password)?;
    all.set(users::User { name: args.name.clone(), email: args.email.clone(), hash, roles });
    all.write(&file)?;
    let done = if is_new { "is added" } else { "is changed" };
    anstream::println!("{} {} {done}, in {}", mark(true), args.name, file.display());
    Ok(true)
}

/// `GATEWAY=ROLE`.
fn role(text: &str) -> Result<(String, Role)> {
    let wrong =
        || Usage(format!("`{text}` is not a role: write GATEWAY=ROLE, as in '{EVERY}=viewer' or shop=admin"));
    let (gateway, role) = text.rsplit_once('=').ok_or_else(wrong)?;
    let role = match role {
        "viewer" => Role::Viewer,
        "operator" => Role::Operator,
        "admin" => Role::Admin,
        _ => bail!(wrong()),
    };
    Ok((gateway.to_owned(), role))
}

fn password(args: &AddUser) -> Result<String> {
    if args.password_stdin {
        let mut text = String::new();
        std::io::stdin().take(4096).read_to_string(&mut text).context("reading the password")?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !std::io::stdin().is_terminal() {
        bail!(Usage("there is no terminal to ask for the password: write it to `--password-stdin`".into()));
    }
    let first = rpassword::prompt_password("Password: ").context("reading the password")?;
    let second = rpassword::prompt_password("The same again: ").context("reading the password")?;
    if first != second {
        bail!("the two passwords are different: nothing is changed");
    }
    Ok(first)
}

fn remove(args: &NamedUser) -> Result<bool> {
    let file = args.file.path()?;
    let mut all = Users::read(&file)?;
    if !all.remove(&args.name) {
        let known: Vec<&str> = all.users.iter().map(|user| user.name.as_str()).collect();
        bail!(Usage(format!(
            "{} has no user `{}`: the users are {}",
            file.display(),
            args.name,
            known.join(", ")
        )));
    }
    all.write(&file)?;
    anstream::println!("{} {} is removed, from {}", mark(true), args.name, file.display());
    Ok(true)
}

fn list(args: &UsersFile) -> Result<bool> {
    let all = Users::read(&args.path()?)?;
    let rows: Vec<Vec<String>> = all
        .users
        .iter()
        .map(|user| {
            let roles =
                user.roles.iter().map(|(gateway, role)| format!("{gateway}={}", access::role_name(*role)));
            let roles: Vec<String> = roles.collect();
            vec![user.name.clone(), user.email.clone().unwrap_or_default(), roles.join(" ")]
        })
        .collect();
    table(&["user", "address", "roles"], &[], &rows);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_by_gateway() {
        assert_eq!(role("*=viewer").unwrap(), ("*".to_owned(), Role::Viewer));
        assert_eq!(role("a=b=admin").unwrap(), ("a=b".to_owned(), Role::Admin));
        for text in ["viewer", "shop=", "shop=root"] {
            assert!(role(text).unwrap_err().to_string().contains("GATEWAY=ROLE"), "{text}");
        }
    }
}
