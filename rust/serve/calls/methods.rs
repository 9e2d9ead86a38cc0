//! Methods: the calls that are known by name, and the scopes that they ask for.

use crate::serve::config::Scope;

/// Name of every call that is not known.
pub const UNKNOWN: &str = "unknown";

/// A call by its name. Names come from this table alone, so that logs and metrics hold no text of strangers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Method {
    /// Such as `frbench.v1.SearchService/Search`.
    pub name: &'static str,
    /// One of these is enough; none is asked for where it is empty.
    pub any_of: &'static [Scope],
    /// Answered without credentials and without a line of the audit log.
    pub is_open: bool,
}

/// The method of a request's path.
pub fn method(path: &str) -> Method {
    let name = path.strip_prefix('/').unwrap_or(path);
    match METHODS.iter().find(|method| method.name == name) {
        Some(method) => *method,
        None => locked(UNKNOWN, &[]),
    }
}

const fn locked(name: &'static str, any_of: &'static [Scope]) -> Method {
    Method { name, any_of, is_open: false }
}

const fn open(name: &'static str) -> Method {
    Method { name, any_of: &[], is_open: true }
}

/// Where scope count stands beside another, it suffices for galleries that are not kept: the handler looks at that.
const METHODS: [Method; 15] = [
    locked("frbench.v1.SearchService/Search", &[Scope::Search]),
    locked("frbench.v1.SearchService/Compare", &[Scope::Search, Scope::Count]),
    locked("frbench.v1.GalleryService/CreateGallery", &[Scope::Enrol, Scope::Count]),
    locked("frbench.v1.GalleryService/Enrol", &[Scope::Enrol, Scope::Count]),
    locked("frbench.v1.GalleryService/RemoveTemplates", &[Scope::Enrol]),
    locked("frbench.v1.GalleryService/GetGallery", &[]),
    locked("frbench.v1.GalleryService/ListGalleries", &[]),
    locked("frbench.v1.GalleryService/DropGallery", &[Scope::Admin, Scope::Count]),
    locked("frbench.v1.SweepService/CountTiles", &[Scope::Count]),
    locked("frbench.v1.SweepService/FindTail", &[Scope::Count]),
    locked("frbench.v1.ServerService/GetInfo", &[]),
    locked("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &[]),
    locked("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &[]),
    open("grpc.health.v1.Health/Check"),
    open("grpc.health.v1.Health/Watch"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOS: [&str; 4] = [
        include_str!("../../../protos/frbench/v1/gallery.proto"),
        include_str!("../../../protos/frbench/v1/search.proto"),
        include_str!("../../../protos/frbench/v1/server.proto"),
        include_str!("../../../protos/frbench/v1/sweep.proto"),
    ];

    fn declared(proto: &str) -> Vec<String> {
        let word = |line: &str, before: &str| {
            let rest = line.trim().strip_prefix(before)?;
            Some(rest.split(['(', ' ']).next()?.to_string())
        };
        let service = proto.lines().find_map(|line| word(line, "service ")).unwrap();
        proto.lines().filter_map(|line| word(line, "rpc ")).map(|call| format!("frbench.v1.{service}/{call}")).collect()
    }

    #[test]
    fn every_call_of_the_protocol_is_in_the_table_and_no_other() {
        let mut declared: Vec<String> = PROTOS.into_iter().flat_map(declared).collect();
        let ours = METHODS.iter().map(|method| method.name).filter(|name| name.starts_with("frbench."));
        let mut ours: Vec<&str> = ours.collect();
        declared.sort_unstable();
        ours.sort_unstable();

        assert_eq!(declared, ours);
    }

    #[test]
    fn a_path_finds_its_method_and_nothing_else_does() {
        assert_eq!(method("/frbench.v1.SearchService/Search").any_of, [Scope::Search]);
        assert!(method("/grpc.health.v1.Health/Check").is_open);
        for stranger in ["", "/", "/frbench.v1.SearchService/Search/", "/grpc.health.v1.Health/../Check", "/evil"] {
            assert_eq!(method(stranger), locked(UNKNOWN, &[]));
        }
    }
}
