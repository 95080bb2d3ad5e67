//! A way of delivery outside the crate: into memory. It shows the whole of the
//! [`Delivery`] trait, and that the suite which ours pass is there for yours.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::rc::Rc;

use hl7drop::delivery::{Delivery, DeliveryError, Listed, Result, Server, conform};
use hl7drop::digest::Digest;

/// Files by name. Clones are one place, as two connections to a server are.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<BTreeMap<String, Vec<u8>>>>);

impl Delivery for Memory {
    fn server(&self) -> Server {
        let (address, place) = ("memory".to_string(), "memory".to_string());
        Server { address, place, host_key: String::new() }
    }

    fn path(&self, name: &str) -> String {
        format!("memory/{name}")
    }

    fn size(&mut self, name: &str) -> Result<Option<u64>> {
        Ok(self.0.borrow().get(name).map(|content| content.len() as u64))
    }

    fn upload(&mut self, name: &str, from: &mut dyn Read, bytes: u64) -> Result<()> {
        self.must_be_free(name)?;
        let mut content = Vec::new();
        from.read_to_end(&mut content).map_err(DeliveryError::Source)?;
        // A source that changed its size on the way is refused as a whole.
        if content.len() as u64 != bytes {
            let (server, path, found) = ("memory".into(), self.path(name), content.len() as u64);
            return Err(DeliveryError::WrongSize { server, path, expected: bytes, found });
        }
        self.0.borrow_mut().insert(name.to_string(), content);
        Ok(())
    }

    fn digest(&mut self, name: &str) -> Result<Digest> {
        let files = self.0.borrow();
        files.get(name).map(|content| Digest::of(content)).ok_or_else(|| self.not_found(name))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<()> {
        self.must_be_free(to)?;
        let content = self.0.borrow_mut().remove(from).ok_or_else(|| self.not_found(from))?;
        self.0.borrow_mut().insert(to.to_string(), content);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        self.0.borrow_mut().remove(name);
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<Listed>> {
        let files = self.0.borrow();
        let listed = files.iter().map(|(name, content)| Listed {
            name: name.clone(),
            bytes: Some(content.len() as u64),
            modified: None,
        });
        Ok(listed.collect())
    }

    fn fetch(&mut self, name: &str, to: &mut dyn Write, limit: u64) -> Result<u64> {
        let files = self.0.borrow();
        let content = files.get(name).ok_or_else(|| self.not_found(name))?;
        let bytes = content.len() as u64;
        if bytes > limit {
            return Err(DeliveryError::TooLarge { path: self.path(name), limit });
        }
        to.write_all(content).map_err(DeliveryError::Kept)?;
        Ok(bytes)
    }
}

impl Memory {
    fn must_be_free(&self, name: &str) -> Result<()> {
        match self.0.borrow().contains_key(name) {
            true => Err(DeliveryError::Exists { path: self.path(name) }),
            false => Ok(()),
        }
    }

    fn not_found(&self, name: &str) -> DeliveryError {
        DeliveryError::NotFound { path: self.path(name) }
    }
}

/// In a crate of your own this is a `#[test]`.
pub fn main() {
    let place = Memory::default();
    conform::conform(&mut || Box::new(place.clone()));
    println!("memory conforms");
}
