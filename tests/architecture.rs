//! The floors of `ARCHITECTURE.md`: a module uses only modules of lower floors, so that there are no cycles and no
//! siblings that know each other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// From the ground up.
const FLOORS: &[&[&str]] = &[
    &[
        "environment",
        "group_policy",
        "kdc",
        "mechanism",
        "name",
        "proof",
        "secret",
    ],
    &["error"],
    &["account", "codec"],
    &["credentials", "policy", "ts_request"],
    &["gss"],
    &["kerberos", "ntlm", "spnego", "sspi"],
    &["defaults"],
    &["client", "server"],
    &["tls"],
    &["rdp", "winrm"],
    &["stream"],
];

/// The most lines of a file in `src`.
const MAX_LINES: usize = 600;

#[test]
fn modules_use_lower_floors_only() {
    let sources = sources();
    let report = inspect(&sources);
    assert!(
        report.violations.is_empty(),
        "{}",
        report.violations.join("\n")
    );
    // Were the uses not found at all, there would be no violations either.
    assert!(
        report.uses.len() > 60,
        "only {} uses seen",
        report.uses.len()
    );
    for (user, used) in [
        ("stream", "tls"),
        ("tls", "client"),
        ("client", "error"),
        ("client", "defaults"),
        ("gss", "name"),
    ] {
        assert!(
            report.uses.contains(&(user.into(), used.into())),
            "{user} uses {used}, which was not seen"
        );
    }
}

#[test]
fn every_module_has_a_floor_and_every_floor_is_inhabited() {
    let sources = sources();
    let modules: BTreeSet<String> = sources
        .iter()
        .filter_map(|source| source.module.first().cloned())
        .collect();
    let housed: BTreeSet<String> = FLOORS.concat().into_iter().map(str::to_owned).collect();
    assert_eq!(modules, housed);
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "{} has {lines} lines",
            source.path.display()
        );
    }
}

/// Each of these stands for a way in which a use could hide.
#[test]
fn finds_planted_violations() {
    let root = "pub use client::Client; pub use stream::blocking as io;";
    for (module, text, expected) in [
        ("gss", "use crate::client::Client;", "client"),
        (
            "gss",
            "use crate::{name, error::{Error, NtStatus}, server};",
            "server",
        ),
        (
            "gss",
            "use crate::{name::{self, ServicePrincipalName}, tls as name_of_its_own};",
            "tls",
        ),
        ("gss", "pub(crate) use crate::stream::*;", "stream"),
        ("gss", "use super::defaults;", "defaults"),
        ("gss::deep", "use super::super::defaults;", "defaults"),
        (
            "gss",
            "mod deep { use super::super::tls::Connector; }",
            "tls",
        ),
        // Re-exports at the root, under their own name and another.
        ("gss", "use crate::Client;", "client"),
        ("gss", "fn f(_: crate::io::Stream) {}", "stream"),
        // In types, expressions, patterns, bounds and attributes of visibility.
        ("gss", "fn f(_: &crate::client::Client) {}", "client"),
        (
            "gss",
            "fn f() { let _ = crate::server::Server::new(); }",
            "server",
        ),
        ("gss", "impl<T: super::tls::Provider> Trait for T {}", "tls"),
        (
            "gss",
            "fn f() { vec![crate::client::Client::new()]; }",
            "client",
        ),
        (
            "gss",
            "macro_rules! m { () => { $crate::client::Client } }",
            "client",
        ),
        ("gss", "fn f() { use crate::tls; }", "tls"),
        // What cannot be followed is refused.
        ("gss", "use crate::*;", "*"),
        ("gss", "use crate as root;", "crate"),
        ("gss", "use super::{self as root};", "crate"),
        ("gss", "extern crate self as root;", "crate"),
        // Siblings.
        ("ntlm", "use crate::spnego::Initiator;", "spnego"),
        ("name", "use crate::secret::Secret;", "secret"),
        // A module that nobody gave a floor.
        ("gss", "use crate::attic::Attic;", "attic"),
        ("attic", "use crate::name::AccountName;", "name"),
    ] {
        let sources = [
            Source::new(&[], "src/lib.rs", root),
            Source::new(
                &module.split("::").collect::<Vec<_>>(),
                "src/planted.rs",
                text,
            ),
        ];
        let report = inspect(&sources);
        assert_eq!(
            report.violations.len(),
            1,
            "{text}: {:?}",
            report.violations
        );
        assert!(
            report.violations[0].contains(&format!("`{expected}`")),
            "{text}: {:?}",
            report.violations
        );
    }
}

#[test]
fn permits_lower_floors_and_the_own_module() {
    let root = "pub use name::AccountName; pub use error::Error;";
    for (module, text) in [
        (
            "gss",
            "use crate::{Error, AccountName, name::{self, ServicePrincipalName}};",
        ),
        (
            "gss::deep",
            "use super::Initiator; use super::super::error; use crate::gss::Acceptor;",
        ),
        (
            "gss",
            "mod deep { use super::Initiator; use self::below::It; mod below {} }",
        ),
        (
            "gss",
            "use std::sync::Arc; use rustls::client::ClientConfig; fn f() { server::f(); }",
        ),
        (
            "gss",
            "/// [a link](crate::client::Client)\nfn f() { g(\"crate::client\"); }",
        ),
        (
            "gss",
            "#[cfg(test)] mod tests { use crate::client::Client; }",
        ),
        (
            "gss",
            "pub(in crate::gss) fn f() {} pub(crate) fn g() {} pub(super) fn h() {}",
        ),
    ] {
        let sources = [
            Source::new(&[], "src/lib.rs", root),
            Source::new(
                &module.split("::").collect::<Vec<_>>(),
                "src/planted.rs",
                text,
            ),
        ];
        assert_eq!(inspect(&sources).violations, [""; 0], "{text}");
    }
}

/// A file, and the path of its module below the crate.
struct Source {
    module: Vec<String>,
    path: PathBuf,
    text: String,
}

impl Source {
    fn new(module: &[&str], path: &str, text: &str) -> Self {
        Self {
            module: module.iter().map(|name| (*name).to_owned()).collect(),
            path: path.into(),
            text: text.into(),
        }
    }
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &[],
        &mut sources,
    );
    sources
}

fn collect(directory: &Path, above: &[String], sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut module = above.to_vec();
        if path.is_dir() {
            module.push(name);
            collect(&path, &module, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            if name != "mod" && name != "lib" {
                module.push(name);
            }
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source { module, path, text });
        }
    }
}

#[derive(Default)]
struct Report {
    uses: BTreeSet<(String, String)>,
    violations: Vec<String>,
}

fn inspect(sources: &[Source]) -> Report {
    let files: Vec<_> = sources
        .iter()
        .map(|source| {
            // syn does not know yet that `..0x80` may stand in a slice pattern.
            let text = source.text.replace(" ..0x", " 0..0x");
            let file = syn::parse_file(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", source.path.display()));
            (source, file)
        })
        .collect();
    let mut exports = BTreeMap::new();
    for (_, file) in files.iter().filter(|(source, _)| source.module.is_empty()) {
        for item in &file.items {
            if let syn::Item::Use(item) = item {
                leaves(&item.tree, &mut Vec::new(), &mut |path, name| {
                    let path: Vec<_> = path
                        .iter()
                        .filter(|segment| *segment != "crate" && *segment != "self")
                        .collect();
                    if let Some(module) = path.first() {
                        exports.insert(name.to_owned(), (*module).clone());
                    }
                });
            }
        }
    }
    let mut report = Report::default();
    for (source, file) in &files {
        // The root names what it exports, from every floor.
        if source.module.is_empty() || source.module.iter().any(|name| name == "tests") {
            continue;
        }
        Inspector {
            exports: &exports,
            source,
            module: source.module.clone(),
            report: &mut report,
        }
        .visit_file(file);
    }
    report
}

/// Calls `leaf` with each path of a tree of `use`, and the name that it gets.
fn leaves(tree: &syn::UseTree, path: &mut Vec<String>, leaf: &mut impl FnMut(&[String], &str)) {
    match tree {
        syn::UseTree::Path(inner) => {
            path.push(inner.ident.to_string());
            leaves(&inner.tree, path, leaf);
            path.pop();
        }
        syn::UseTree::Name(inner) if inner.ident == "self" => {
            leaf(path, path.last().map_or("", String::as_str));
        }
        syn::UseTree::Name(inner) => {
            path.push(inner.ident.to_string());
            leaf(path, &inner.ident.to_string());
            path.pop();
        }
        syn::UseTree::Rename(inner) => {
            if inner.ident != "self" {
                path.push(inner.ident.to_string());
            }
            leaf(path, &inner.rename.to_string());
            if inner.ident != "self" {
                path.pop();
            }
        }
        syn::UseTree::Glob(_) => {
            path.push("*".into());
            leaf(path, "*");
            path.pop();
        }
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, path, leaf);
            }
        }
    }
}

struct Inspector<'a> {
    exports: &'a BTreeMap<String, String>,
    source: &'a Source,
    /// The module at hand, which may stand in line.
    module: Vec<String>,
    report: &'a mut Report,
}

impl Inspector<'_> {
    /// Judges a path as it is written in the module at hand.
    fn path(&mut self, written: &[String]) {
        let mut absolute = match written.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            // Another crate, a child of this module, or a name that a `use` brought here.
            _ => return,
        };
        for segment in written {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => {
                    absolute.pop();
                }
                name => absolute.push(name.to_owned()),
            }
        }
        let named = absolute.first().map_or("crate", String::as_str);
        let used = self.exports.get(named).map_or(named, String::as_str);
        let own = self.module[0].as_str();
        if used == own {
            return;
        }
        self.report.uses.insert((own.to_owned(), used.to_owned()));
        let permitted = matches!((floor(own), floor(used)), (Some(own), Some(used)) if used < own);
        if !permitted {
            self.report.violations.push(format!(
                "{}: `{own}` (floor {:?}) uses `{used}` (floor {:?}) as `{}`",
                self.source.path.display(),
                floor(own),
                floor(used),
                written.join("::")
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Inspector<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        // What tests use is no part of the house.
        let test_only = match item {
            syn::Item::Mod(item) => item.attrs.iter().any(|attribute| {
                attribute.path().is_ident("cfg")
                    && attribute
                        .parse_args::<syn::Path>()
                        .is_ok_and(|path| path.is_ident("test"))
            }),
            _ => false,
        };
        if !test_only {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut paths = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut |path, _| {
            paths.push(path.to_vec());
        });
        for path in paths {
            self.path(&path);
        }
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        if item.ident == "self" {
            self.path(&["crate".to_owned()]);
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.path(&segments);
        visit::visit_path(self, path);
    }

    /// The contents of a macro are no syntax tree: paths are picked out of the tokens.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let text = call.tokens.to_string();
        let words: Vec<_> = text.split_whitespace().collect();
        let mut at = 0;
        while at < words.len() {
            let mut path = vec![words[at].trim_start_matches('$').to_owned()];
            while words.get(at + 1) == Some(&"::") {
                path.extend(words.get(at + 2).map(|word| (*word).to_owned()));
                at += 2;
            }
            if path.len() > 1 && matches!(path[0].as_str(), "crate" | "super" | "self") {
                self.path(&path);
            }
            at += 1;
        }
        visit::visit_macro(self, call);
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}
