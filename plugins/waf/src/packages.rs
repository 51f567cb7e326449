//! Exclusions for applications, written from what they send: editors send HTML, and synchronisation clients send files.
//!
//! Only fields of signed-in users are left out, and only of the rules about their text. What visitors send, such as comments and
//! searches, is inspected like everything else, and so are editors of programs (themes and plug-ins of WordPress).

use config::FieldError;
use seclang::Ctl;

use crate::exclusion::{self, Exclusion, Rules};

/// The rules about the text of variables: those of the Core Rule Set, and the plug-in's own.
const TEXT: &[(u32, u32)] = &[(921_000, 921_999), (930_000, 944_999), (7_000_103, 7_000_159)];

/// The rules about methods.
const METHODS: &[(u32, u32)] = &[(911_100, 911_100), (7_000_100, 7_000_100)];

/// The rules about content types.
const CONTENT_TYPES: &[(u32, u32)] = &[(920_420, 920_420), (7_000_101, 7_000_101)];

/// The rule about headers that are not allowed.
const HEADERS: &[(u32, u32)] = &[(920_450, 920_451)];

/// The rules about URLs.
const URLS: &[(u32, u32)] = &[(931_000, 931_999)];

/// What is left out on some paths.
struct Part {
    paths: &'static [&'static str],
    rules: &'static [(u32, u32)],
    /// The variables; none for the rules as a whole.
    targets: &'static [&'static str],
}

const WORDPRESS: &[Part] = &[
    // Passwords, and the page that follows.
    Part { paths: &["/wp-login.php"], rules: TEXT, targets: &["ARGS:pwd", "ARGS:pass1", "ARGS:pass2"] },
    Part { paths: &["/wp-login.php"], rules: URLS, targets: &["ARGS:redirect_to"] },
    Part {
        paths: &["/wp-admin/profile.php", "/wp-admin/user-edit.php", "/wp-admin/user-new.php"],
        rules: TEXT,
        targets: &["ARGS:pass1", "ARGS:pass2", "ARGS:description"],
    },
    // The classic editor.
    Part {
        paths: &["/wp-admin/post.php"],
        rules: TEXT,
        targets: &["ARGS:content", "ARGS:post_title", "ARGS:excerpt", "ARGS:metavalue"],
    },
    // Drafts that are saved meanwhile, widgets and the customizer.
    Part {
        paths: &["/wp-admin/admin-ajax.php"],
        rules: TEXT,
        targets: &[
            r"ARGS:/^data\[wp_autosave\]\[(?:content|post_title|excerpt)\]$/",
            r"ARGS:/^widget-(?:text|custom_html|block)\[\d+\]\[(?:title|text|content)\]$/",
            "ARGS:content",
            "ARGS:customized",
        ],
    },
    Part { paths: &["/wp-admin/customize.php"], rules: TEXT, targets: &["ARGS:customized"] },
    // The block editor, and its requests that replace and delete.
    Part {
        paths: &[
            "/wp-json/wp/v2/posts",
            "/wp-json/wp/v2/posts/*",
            "/wp-json/wp/v2/pages",
            "/wp-json/wp/v2/pages/*",
            "/wp-json/wp/v2/blocks",
            "/wp-json/wp/v2/blocks/*",
            "/wp-json/wp/v2/templates/*",
            "/wp-json/wp/v2/template-parts/*",
            "/wp-json/wp/v2/navigation/*",
            "/wp-json/wp/v2/widgets/*",
            "/wp-json/wp/v2/media/*",
        ],
        rules: TEXT,
        targets: &[
            r"ARGS:/^json\.(?:content|title|excerpt|caption|description)(?:\.raw)?$/",
            r"ARGS:/^json\.instance\.raw\.\w+$/",
        ],
    },
    Part { paths: &["/wp-json/*"], rules: HEADERS, targets: &[] },
    // The services that are told about new posts.
    Part { paths: &["/wp-admin/options.php"], rules: URLS, targets: &["ARGS:ping_sites"] },
    Part {
        paths: &["/wp-admin/*", "/wp-json/*"],
        rules: TEXT,
        targets: &["REQUEST_COOKIES:/^wp-settings-/"],
    },
];

const NEXTCLOUD: &[Part] = &[
    // WebDAV and the interfaces of apps.
    Part {
        paths: &["/remote.php/*", "/public.php/*", "/ocs/*", "/apps/*", "/index.php/*", "/.well-known/*"],
        rules: METHODS,
        targets: &[],
    },
    Part { paths: &["/remote.php/*", "/public.php/*"], rules: CONTENT_TYPES, targets: &[] },
    Part { paths: &["/remote.php/*", "/public.php/*"], rules: HEADERS, targets: &[] },
    // Passwords.
    Part {
        paths: &["/login", "/index.php/login"],
        rules: TEXT,
        targets: &["ARGS:password", "ARGS:requesttoken"],
    },
    Part {
        paths: &[
            "/ocs/v2.php/apps/files_sharing/api/v1/shares",
            "/ocs/v2.php/apps/files_sharing/api/v1/shares/*",
        ],
        rules: TEXT,
        targets: &[
            "ARGS:password",
            "ARGS:note",
            "ARGS:attributes",
            "ARGS:json.password",
            "ARGS:json.note",
            "ARGS:json.attributes",
        ],
    },
    // Texts and notes.
    Part {
        paths: &["/apps/text/*", "/index.php/apps/text/*"],
        rules: TEXT,
        targets: &[r"ARGS:/^json\.(?:autosaveContent|documentState|awareness|steps.*)$/"],
    },
    Part {
        paths: &["/apps/notes/*", "/index.php/apps/notes/*"],
        rules: TEXT,
        targets: &[r"ARGS:/^json\.(?:content|title|category)$/"],
    },
    // Names of files and folders.
    Part {
        paths: &["/remote.php/*", "/public.php/*"],
        rules: TEXT,
        targets: &["REQUEST_HEADERS:Destination", "REQUEST_FILENAME", "REQUEST_BASENAME"],
    },
];

/// Paths whose requests have files as their bodies, which are not inspected: they may be anything, and of any size.
const NEXTCLOUD_FILES: &[&str] = &[
    "/remote.php/dav/files/*",
    "/remote.php/dav/uploads/*",
    "/remote.php/dav/bulk",
    "/remote.php/webdav/*",
    "/public.php/dav/files/*",
    "/public.php/webdav/*",
];

/// An application.
#[derive(Debug, Clone, Copy)]
pub enum Application {
    /// WordPress.
    WordPress,
    /// Nextcloud.
    Nextcloud,
}

/// Returns the exclusions of an application below a folder, such as `/blog`; below none with an empty text.
///
/// # Errors
///
/// A variable cannot be compiled, which tests exclude.
pub fn exclusions(application: Application, folder: &str) -> Result<Vec<Exclusion>, FieldError> {
    let (parts, files): (_, &[&str]) = match application {
        Application::WordPress => (WORDPRESS, &[]),
        Application::Nextcloud => (NEXTCLOUD, NEXTCLOUD_FILES),
    };
    let mut exclusions = Vec::new();
    for part in parts {
        let rules = || Rules::Ids(part.rules.to_vec());
        let changes: Result<Vec<Ctl<'static>>, String> = match part.targets {
            [] => exclusion::ctl(rules(), None).map(|ctl| vec![ctl]),
            targets => targets.iter().map(|target| exclusion::ctl(rules(), Some(target))).collect(),
        };
        let changes = changes.map_err(|message| FieldError::new("exclude_packages", message))?;
        for path in part.paths {
            let path = format!("{folder}{path}");
            exclusions.extend(changes.iter().map(|ctl| Exclusion::new(Some(&path), ctl.clone())));
        }
    }
    let is_file =
        |path: &&str| Exclusion::new(Some(&format!("{folder}{path}")), Ctl::RequestBodyAccess(false));
    exclusions.extend(files.iter().map(is_file));
    Ok(exclusions)
}
