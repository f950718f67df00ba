//! Which endpoint a path names: `/<process id>/<route>`, or `/<route>` of the delegate.
//!
//! As libprocess does, a path longer than any route is served by the nearest route above it
//! (`/api/v1/operator` by `/api/v1`), and `/slaves/` by `/slaves`.

use super::request::decode;

/// The routes of every process; a route is its path below the process, empty for the process itself.
pub struct Routes {
    pub delegate: &'static str,
    pub processes: &'static [(&'static str, &'static [&'static str])],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    pub process: &'static str,
    pub route: &'static str,
    /// Nothing follows the route.
    pub exact: bool,
}

/// No route has more parts.
const MAX_PARTS: usize = 4;

impl Routes {
    pub fn resolve(&self, path: &str) -> Option<Endpoint> {
        let mut parts = path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part).ok());
        let parts: Vec<String> = parts.by_ref().take(MAX_PARTS).collect::<Option<_>>()?;
        let process = parts.first().and_then(|id| self.processes.iter().find(|(process, _)| process == id));
        match process {
            Some(process) => nearest(process, &parts[1..]),
            None => nearest(self.processes.iter().find(|(process, _)| *process == self.delegate)?, &parts),
        }
    }

    /// Every endpoint, one a line.
    pub fn list(&self) -> String {
        let paths = self.processes.iter().flat_map(|(process, routes)| {
            routes.iter().map(move |route| match *route {
                "" => format!("/{process}\n"),
                route => format!("/{process}/{route}\n"),
            })
        });
        paths.collect()
    }

    /// Whether messages to this process id are taken (if only to drop them).
    pub fn has_process(&self, id: &str) -> bool {
        self.processes.iter().any(|(process, _)| *process == id)
    }
}

fn nearest((process, routes): &(&'static str, &'static [&'static str]), parts: &[String]) -> Option<Endpoint> {
    (0..=parts.len()).rev().find_map(|count| {
        let wanted = parts[..count].join("/");
        // The `.json` names went away with Mesos 1.0; old monitors still use them.
        let bare = wanted.strip_suffix(".json").unwrap_or(&wanted);
        let route =
            routes.iter().find(|route| **route == wanted).or_else(|| routes.iter().find(|route| **route == bare));
        route.map(|route| Endpoint { process, route, exact: count == parts.len() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: Routes = Routes {
        delegate: "master",
        processes: &[
            ("master", &["api/v1", "api/v1/scheduler", "state", "slaves", "redirect"]),
            ("system", &["stats.json"]),
            ("version", &[""]),
        ],
    };

    fn check(path: &str, expect: Option<(&str, &str, bool)>) {
        let found = ROUTES.resolve(path).map(|endpoint| (endpoint.process, endpoint.route, endpoint.exact));
        assert_eq!(found, expect, "{path}");
    }

    #[test]
    fn paths_find_their_route() {
        check("/state", Some(("master", "state", true)));
        check("/master/state", Some(("master", "state", true)));
        check("//state", Some(("master", "state", true)));
        check("/ma%73ter/state", Some(("master", "state", true)));
        check("/version", Some(("version", "", true)));
        check("/master", None);
        check("/", None);
        check("/nope", None);
        check("/%zz", None);
    }

    #[test]
    fn a_longer_path_falls_back_to_the_nearest_route() {
        check("/api/v1/operator", Some(("master", "api/v1", false)));
        check("/master/api/v1/x/y/z/a/b", Some(("master", "api/v1", false)));
        check("/api/v1/scheduler", Some(("master", "api/v1/scheduler", true)));
        check("/slaves/", Some(("master", "slaves", true)));
        check("/redirect/x", Some(("master", "redirect", false)));
        check("/api", None);
    }

    #[test]
    fn the_old_json_names_live_on() {
        check("/master/state.json", Some(("master", "state", true)));
        check("/system/stats.json", Some(("system", "stats.json", true)));
        check("/system/stats", None);
    }
}
