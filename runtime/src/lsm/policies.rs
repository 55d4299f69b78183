//! The policies that have decided in a sandbox, by generation, for telling which rule it was.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use boesfs_abi::image::ValidImage;

use super::engine::FIRST_GENERATION;
use super::subject::{ClassNames, Subjects};
use crate::plane::Setup;
use crate::sandbox::root::Root;
use crate::{policy, tenants};

/// One of them.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) image: Arc<ValidImage>,
    pub(super) names: ClassNames,
    /// Whether the image is that of another policy than the one that decided, which could not be had.
    pub(super) is_stand_in: bool,
}

/// All of them as far as they are known by now.
pub(super) struct Policies {
    list: Vec<Known>,
    /// Each generation's place in the list.
    generations: HashMap<u64, usize>,
    /// How far the list of generations has been read.
    read: u64,
}

impl Policies {
    /// Those of a new sandbox.
    pub(super) fn new(setup: &Setup) -> Self {
        let first = Known {
            id: setup.image.id_hex(),
            image: Arc::clone(&setup.image),
            names: Subjects::of(setup).names,
            is_stand_in: false,
        };
        let generations = HashMap::from([(FIRST_GENERATION, 0)]);
        Self { list: vec![first], generations, read: 0 }
    }

    /// The policy of `generation` of the sandbox of `setup`, which is written down in `directory`.
    pub(super) fn of(&mut self, generation: u64, directory: Option<&Path>, setup: &Setup) -> &Known {
        if !self.generations.contains_key(&generation)
            && let Some(directory) = directory
        {
            self.read_on(directory, setup);
        }
        let at = match self.generations.get(&generation) {
            Some(at) => *at,
            None => {
                let at = self.add(Known {
                    id: "unknown".to_owned(),
                    image: Arc::clone(&setup.image),
                    names: ClassNames::Running(Vec::new(), None),
                    is_stand_in: true,
                });
                self.generations.insert(generation, at);
                at
            }
        };
        &self.list[at]
    }

    fn read_on(&mut self, directory: &Path, setup: &Setup) {
        let Ok((generations, read)) = tenants::generations(directory, self.read) else { return };
        self.read = read;
        for (generation, id) in generations {
            let at = match self.list.iter().position(|known| known.id == id) {
                Some(at) => at,
                None => match load(directory, &id, setup) {
                    Some(known) => self.add(known),
                    None => continue,
                },
            };
            self.generations.insert(generation, at);
        }
    }

    fn add(&mut self, known: Known) -> usize {
        self.list.push(known);
        self.list.len() - 1
    }
}

fn load(directory: &Path, id: &str, setup: &Setup) -> Option<Known> {
    let image = Arc::new(policy::load(&tenants::policy_file(directory, id)).ok()?);
    let root = Root::open(&setup.root).ok()?;
    let subjects = policy::subjects(&image, &setup.name, &root).ok()?;
    let setup = Setup { image: Arc::clone(&image), subjects, ..setup.clone() };
    Some(Known { id: id.to_owned(), image, names: Subjects::of(&setup).names, is_stand_in: false })
}
