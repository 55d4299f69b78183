//! What the kernel's node ids stand for: names, not inodes.
//!
//! A node is a (parent, name), so that every request has one path to be judged by: two hard links are two
//! nodes. A rename takes the node along; a name that is removed or comes to stand for something else leaves
//! an orphan behind, which keeps its last path and whatever descriptor reaches it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use boesfs_abi::request::Kind;

/// The id of the protected directory.
pub(crate) const ROOT: u64 = 1;

/// Which file a name stood for when it was last looked up: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
}

/// What a name was found to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) identity: Identity,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
struct Node {
    place: Place,
    found: Found,
    /// References the kernel holds.
    lookups: u64,
    /// Nodes whose parent this is.
    children: u64,
}

#[derive(Debug)]
enum Place {
    Root,
    Named { parent: u64, name: Box<[u8]> },
    Orphan { path: Vec<u8>, object: Option<Arc<OwnedFd>> },
}

/// How a node is reached: from the protected directory or from an orphan, down `names`, separated by `/`.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) start: Start,
    pub(crate) names: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Start {
    Root,
    Orphan(Arc<OwnedFd>),
}

/// The node is not known or can no longer be reached.
#[derive(Debug)]
pub(crate) struct Stale;

/// All nodes the kernel may name.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: HashMap<u64, Node>,
    names: HashMap<(u64, Box<[u8]>), u64>,
    dir: Vec<u8>,
    next: u64,
}

impl Nodes {
    /// The table of a file system that shows `root` at the path `dir`.
    pub(crate) fn new(dir: Vec<u8>, root: Identity) -> Self {
        let found = Found { identity: root, kind: Kind::Dir };
        let node = Node { place: Place::Root, found, lookups: 1, children: 0 };
        Self { nodes: HashMap::from([(ROOT, node)]), names: HashMap::new(), dir, next: ROOT + 1 }
    }

    /// The path of node `id` in the sandbox's view.
    pub(crate) fn path(&self, id: u64) -> Result<Vec<u8>, Stale> {
        let mut names = Vec::new();
        let mut at = id;
        let mut path = loop {
            match &self.nodes.get(&at).ok_or(Stale)?.place {
                Place::Root => break self.dir.clone(),
                Place::Orphan { path, .. } => break path.clone(),
                Place::Named { parent, name } => {
                    names.push(name);
                    at = *parent;
                }
            }
        };
        for name in names.into_iter().rev() {
            push(&mut path, name);
        }
        Ok(path)
    }

    /// The path of the child `name` of node `parent`.
    pub(crate) fn child_path(&self, parent: u64, name: &[u8]) -> Result<Vec<u8>, Stale> {
        let mut path = self.path(parent)?;
        push(&mut path, name);
        Ok(path)
    }

    /// How node `id` is reached.
    pub(crate) fn route(&self, id: u64) -> Result<Route, Stale> {
        let mut names = Vec::new();
        let mut at = id;
        let start = loop {
            match &self.nodes.get(&at).ok_or(Stale)?.place {
                Place::Root => break Start::Root,
                Place::Orphan { object, .. } => break Start::Orphan(object.clone().ok_or(Stale)?),
                Place::Named { parent, name } => {
                    names.push(&**name);
                    at = *parent;
                }
            }
        };
        names.reverse();
        Ok(Route { start, names: names.join(&b'/') })
    }

    /// What node `id` was when it was last looked up.
    pub(crate) fn found(&self, id: u64) -> Result<Found, Stale> {
        self.nodes.get(&id).map(|node| node.found).ok_or(Stale)
    }

    /// The node of `name` in `parent`, with one more reference by the kernel, given that `found` stands there now.
    pub(crate) fn enter(&mut self, parent: u64, name: &[u8], found: Found) -> Result<u64, Stale> {
        let key = (parent, Box::from(name));
        if let Some(&id) = self.names.get(&key) {
            let node = self.nodes.get_mut(&id).expect("INVARIANT: a name leads to a node");
            if node.found.identity == found.identity && node.found.kind == found.kind {
                node.lookups += 1;
                return Ok(id);
            }
            // Somebody outside has put something else there.
            self.orphan(id, None)?;
        }
        self.nodes.get_mut(&parent).ok_or(Stale)?.children += 1;
        let id = self.next;
        self.next += 1;
        let place = Place::Named { parent, name: key.1.clone() };
        self.nodes.insert(id, Node { place, found, lookups: 1, children: 0 });
        self.names.insert(key, id);
        Ok(id)
    }

    /// A new node that never had a name: it is judged as `path` and reached by `object`.
    pub(crate) fn enter_unnamed(&mut self, path: Vec<u8>, found: Found, object: Arc<OwnedFd>) -> u64 {
        let id = self.next;
        self.next += 1;
        let place = Place::Orphan { path, object: Some(object) };
        self.nodes.insert(id, Node { place, found, lookups: 1, children: 0 });
        id
    }

    /// The node of `name` in `parent`, if the kernel knows one.
    pub(crate) fn named(&self, parent: u64, name: &[u8]) -> Option<u64> {
        self.names.get(&(parent, Box::from(name))).copied()
    }

    /// Takes its name from node `id`. From now on it is reached by `object`, if at all.
    pub(crate) fn orphan(&mut self, id: u64, object: Option<Arc<OwnedFd>>) -> Result<(), Stale> {
        let path = self.path(id)?;
        let node = self.nodes.get_mut(&id).ok_or(Stale)?;
        let place = std::mem::replace(&mut node.place, Place::Orphan { path, object });
        if let Place::Named { parent, name } = place {
            self.names.remove(&(parent, name));
            self.release_child(parent);
        }
        Ok(())
    }

    /// Moves the node of `name` in `parent` to `new_name` in `new_parent`, where there is none (any more).
    pub(crate) fn rename(
        &mut self,
        (parent, name): (u64, &[u8]),
        (new_parent, new_name): (u64, &[u8]),
    ) -> Result<(), Stale> {
        let Some(id) = self.names.remove(&(parent, Box::from(name))) else { return Ok(()) };
        self.nodes.get_mut(&new_parent).ok_or(Stale)?.children += 1;
        let node = self.nodes.get_mut(&id).expect("INVARIANT: a name leads to a node");
        node.place = Place::Named { parent: new_parent, name: Box::from(new_name) };
        self.names.insert((new_parent, Box::from(new_name)), id);
        self.release_child(parent);
        Ok(())
    }

    /// Lets the nodes of two names change places.
    pub(crate) fn exchange(&mut self, one: (u64, &[u8]), other: (u64, &[u8])) {
        let ids = [one, other].map(|(parent, name)| self.names.remove(&(parent, Box::from(name))));
        for (id, from, to) in [(ids[0], one, other), (ids[1], other, one)] {
            let Some(id) = id else { continue };
            let node = self.nodes.get_mut(&id).expect("INVARIANT: a name leads to a node");
            node.place = Place::Named { parent: to.0, name: Box::from(to.1) };
            self.names.insert((to.0, Box::from(to.1)), id);
            if let Some(parent) = self.nodes.get_mut(&to.0) {
                parent.children += 1;
            }
            self.release_child(from.0);
        }
    }

    /// Takes back `count` references of the kernel to node `id`; without references and children it is dropped.
    pub(crate) fn forget(&mut self, id: u64, count: u64) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.lookups = node.lookups.saturating_sub(count);
            self.drop_unused(id);
        }
    }

    /// How many nodes there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn release_child(&mut self, parent: u64) {
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children -= 1;
            self.drop_unused(parent);
        }
    }

    fn drop_unused(&mut self, id: u64) {
        let mut at = id;
        while at != ROOT && self.nodes.get(&at).is_some_and(|node| node.lookups == 0 && node.children == 0) {
            let node = self.nodes.remove(&at).expect("INVARIANT: it was there just now");
            let Place::Named { parent, name } = node.place else { return };
            self.names.remove(&(parent, name));
            let Some(above) = self.nodes.get_mut(&parent) else { return };
            above.children -= 1;
            at = parent;
        }
    }
}

/// Appends the component `name` to `path`.
pub(crate) fn push(path: &mut Vec<u8>, name: &[u8]) {
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ino: u64) -> Found {
        Found { identity: Identity { dev: 1, ino }, kind: Kind::File }
    }

    fn table() -> Nodes {
        Nodes::new(b"/srv".to_vec(), Identity { dev: 1, ino: 2 })
    }

    #[test]
    fn paths_follow_a_renamed_directory() {
        let mut nodes = table();
        let dir = nodes.enter(ROOT, b"a", found(10)).unwrap();
        let file = nodes.enter(dir, b"f", found(11)).unwrap();
        let other = nodes.enter(ROOT, b"b", found(12)).unwrap();
        assert_eq!(nodes.path(file).unwrap(), b"/srv/a/f");
        nodes.rename((ROOT, b"a"), (other, b"c")).unwrap();
        assert_eq!(nodes.path(file).unwrap(), b"/srv/b/c/f");
        assert_eq!(nodes.route(file).unwrap().names, b"b/c/f");
        assert_eq!(nodes.enter(other, b"c", found(10)).unwrap(), dir);
    }

    #[test]
    fn a_name_that_stands_for_another_file_is_another_node() {
        let mut nodes = table();
        let old = nodes.enter(ROOT, b"f", found(10)).unwrap();
        let new = nodes.enter(ROOT, b"f", found(11)).unwrap();
        assert_ne!(old, new);
        assert_eq!(nodes.path(old).unwrap(), b"/srv/f");
        assert!(nodes.route(old).is_err());
        assert!(nodes.route(new).is_ok());
    }

    #[test]
    fn exchanged_names_change_places() {
        let mut nodes = table();
        let dir = nodes.enter(ROOT, b"d", found(10)).unwrap();
        let one = nodes.enter(ROOT, b"one", found(11)).unwrap();
        let two = nodes.enter(dir, b"two", found(12)).unwrap();
        nodes.exchange((ROOT, b"one"), (dir, b"two"));
        assert_eq!(nodes.path(one).unwrap(), b"/srv/d/two");
        assert_eq!(nodes.path(two).unwrap(), b"/srv/one");
    }

    #[test]
    fn forgotten_nodes_go_with_parents_that_only_they_held() {
        let mut nodes = table();
        let dir = nodes.enter(ROOT, b"d", found(10)).unwrap();
        let file = nodes.enter(dir, b"f", found(11)).unwrap();
        nodes.enter(dir, b"f", found(11)).unwrap();
        nodes.forget(dir, 1);
        assert_eq!(nodes.path(file).unwrap(), b"/srv/d/f");
        nodes.forget(file, 1);
        assert_eq!(nodes.len(), 3);
        nodes.forget(file, 1);
        assert_eq!(nodes.len(), 1);
        assert!(nodes.path(file).is_err());
    }

    #[test]
    fn the_root_directory_needs_no_second_slash() {
        let mut nodes = Nodes::new(b"/".to_vec(), Identity { dev: 1, ino: 2 });
        let file = nodes.enter(ROOT, b"f", found(10)).unwrap();
        assert_eq!(nodes.path(file).unwrap(), b"/f");
        assert_eq!(nodes.path(ROOT).unwrap(), b"/");
    }
}
