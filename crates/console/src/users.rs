//! The users file: names, Argon2 hashes of passwords, and roles.
//!
//! It is written with mode 0600 and refused with any other, because whoever reads it can try passwords.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a user may do in a gateway. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Configures, switches, moves and tries.
    Operator,
    /// Adds, edits, deletes, releases, starts and stops.
    Admin,
}

/// The gateway of a role that holds for all.
pub const EVERY: &str = "*";

/// The minimum length of a password, in characters.
pub const MIN_PASSWORD: usize = 10;

/// The maximum length of a password, in bytes: longer ones would cost time before they are compared.
const MAX_PASSWORD: usize = 1024;

/// Roles by gateway.
pub type Roles = BTreeMap<String, Role>;

/// The role in a gateway: its own, or else the one for every gateway.
#[must_use]
pub fn role_in(roles: &Roles, gateway: &str) -> Option<Role> {
    roles.get(gateway).or_else(|| roles.get(EVERY)).copied()
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct User {
    /// The name.
    pub name: String,
    /// The address in the history of a git work tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The hash of the password, in the PHC format.
    pub hash: String,
    /// The roles by gateway; `*` for every other one.
    pub roles: Roles,
}

/// The content of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Users {
    /// The users, by name.
    pub users: Vec<User>,
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, others than its owner can read it, or it is not valid.
    pub fn read(file: &Path) -> Result<Self> {
        let add = "`cargo xtask console user add NAME` creates it";
        let metadata = fs::metadata(file)
            .with_context(|| format!("cannot read the users file {}; {add}", file.display()))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            bail!(
                "{} can be read by other users of this machine: `chmod 600 {}`",
                file.display(),
                file.display()
            );
        }
        let bytes =
            fs::read(file).with_context(|| format!("cannot read the users file {}", file.display()))?;
        let users: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not a valid users file; {add}", file.display()))?;
        Ok(users)
    }

    /// Reads the file, or returns no users if there is none.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_or_empty(file: &Path) -> Result<Self> {
        if file.exists() { Self::read(file) } else { Ok(Self::default()) }
    }

    /// Replaces the file atomically, with mode 0600.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            // Temporary files have mode 0600.
            let mut temporary = tempfile::Builder::new().prefix(".portcullis-").tempfile_in(folder)?;
            serde_json::to_writer_pretty(&mut temporary, self)?;
            temporary.write_all(b"\n")?;
            temporary.as_file().sync_all()?;
            temporary.persist(file).map_err(|error| error.error)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write the users file {}", file.display()))
    }

    /// The user of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Adds a user, or replaces the password, the address and the roles of one.
    pub fn set(&mut self, user: User) {
        self.users.retain(|other| other.name != user.name);
        self.users.push(user);
        self.users.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Removes a user. Returns false if there is none of this name.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.users.len();
        self.users.retain(|user| user.name != name);
        self.users.len() < before
    }
}

/// Checks the name of a user, which appears in logs and in the history.
///
/// # Errors
///
/// The rule that it breaks.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_alphanumeric() || "._-@+".contains(c);
    if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
        return Err(format!("`{name}` cannot be a user: write letters, digits, `.`, `_`, `-`, `@` and `+`"));
    }
    Ok(())
}

/// Checks a new password.
///
/// # Errors
///
/// The rule that it breaks.
pub fn check_password(password: &str) -> Result<(), String> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(format!("the password is too short: write at least {MIN_PASSWORD} characters"));
    }
    if password.len() > MAX_PASSWORD {
        return Err(format!("the password is too long: write at most {MAX_PASSWORD} bytes"));
    }
    Ok(())
}

/// Hashes a password.
///
/// # Errors
///
/// The system has no random numbers.
pub fn hash(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|error| anyhow::anyhow!("cannot hash the password: {error}"))?.to_string())
}

/// Returns true if a password has this hash.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    if password.len() > MAX_PASSWORD {
        return false;
    }
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// The file as last read; it is read again when it has changed.
#[derive(Debug)]
pub(crate) struct UsersFile {
    pub(crate) path: PathBuf,
    users: Users,
    /// What the file was when it was read.
    stamp: Option<Stamp>,
    /// A hash that is compared for unknown names, so that they take as long as known ones.
    pub(crate) decoy: String,
}

type Stamp = (SystemTime, u64, u64);

impl UsersFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let stamp = stamp(path);
        let users = Users::read(path)?;
        if users.users.is_empty() {
            bail!("{} has no users: `cargo xtask console user add NAME` adds one", path.display());
        }
        Ok(Self { path: path.into(), users, stamp, decoy: hash(&crate::secret::token()?)? })
    }

    /// The users. A file that cannot be read any more has none.
    pub(crate) fn users(&mut self) -> &Users {
        let now = stamp(&self.path);
        if now.is_none() || now != self.stamp {
            self.stamp = now;
            self.users = Users::read(&self.path).unwrap_or_default();
        }
        &self.users
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> User {
        let roles = [("*".to_owned(), Role::Viewer), ("shop".to_owned(), Role::Admin)];
        User { name: name.into(), email: None, hash: hash(password).unwrap(), roles: roles.into() }
    }

    #[test]
    fn the_file_is_private_and_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let mut users = Users::default();
        users.set(user("ada", "correct horse"));
        users.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut file = UsersFile::open(&path).unwrap();
        assert!(verify("correct horse", &file.users().get("ada").unwrap().hash));
        assert!(!verify("wrong horse", &file.users().get("ada").unwrap().hash));
        assert!(users.remove("ada") && !users.remove("ada"));
        users.set(user("bob", "another horse"));
        users.write(&path).unwrap();
        assert!(file.users().get("ada").is_none() && file.users().get("bob").is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Users::read(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::remove_file(&path).unwrap();
        assert!(file.users().users.is_empty(), "without the file, signing in fails");
    }

    #[test]
    fn a_role_in_a_gateway_comes_before_the_one_for_all() {
        let roles = user("ada", "correct horse").roles;
        assert_eq!(role_in(&roles, "shop"), Some(Role::Admin));
        assert_eq!(role_in(&roles, "other"), Some(Role::Viewer));
        assert_eq!(role_in(&Roles::new(), "shop"), None);
        assert!(Role::Admin > Role::Operator && Role::Operator > Role::Viewer);
    }

    #[test]
    fn names_and_passwords_have_rules() {
        for name in ["ada", "ada@example.com", "李", "a-b_c.d+e"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", "a b", "a\n", "<a>", &"a".repeat(101)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_password("short").is_err() && check_password(&"x".repeat(1025)).is_err());
        assert_eq!(check_password("long enough"), Ok(()));
        assert!(!verify("x", "not a hash"));
    }
}
