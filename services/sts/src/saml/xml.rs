//! XML as SAML has it: elements by their names and namespaces, and no document types.

use uppsala::{Document, NodeId, Parser};

/// The namespaces of SAML's documents.
pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(super) const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Elements within each other, at most.
const DEEPEST: u32 = 64;

/// Reads a document. `None`: it is none, it has a document type (whose entities nobody needs), or it is too deep.
pub(super) fn read(text: &str) -> Option<Document<'_>> {
    Parser::new().with_max_depth(DEEPEST).with_forbid_dtd(true).parse(text).ok()
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) node: NodeId,
}

impl<'d> Element<'d> {
    /// The outermost one, if it is called so.
    pub(super) fn outermost(document: &'d Document<'d>, namespace: &str, name: &str) -> Option<Self> {
        let node = document.document_element()?;
        let found = Self { document, node };
        found.is(namespace, name).then_some(found)
    }

    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.document.element(self.node).is_some_and(|element| element.matches_name_ns(namespace, name))
    }

    /// The elements in it that are called so.
    pub(super) fn all(self, namespace: &str, name: &str) -> Vec<Self> {
        let nodes = self.document.child_elements_by_name_ns(self.node, namespace, name);
        nodes.into_iter().map(|node| Self { node, ..self }).collect()
    }

    /// The one element in it that is called so; `None`: there is none, or there are several.
    pub(super) fn one(self, namespace: &str, name: &str) -> Option<Self> {
        let [only] = self.all(namespace, name).try_into().ok()?;
        Some(only)
    }

    /// An attribute without a namespace.
    pub(super) fn attribute(self, name: &str) -> Option<&'d str> {
        let element = self.document.element(self.node)?;
        let mut attributes = element.attributes.iter();
        attributes.find(|a| a.name.matches(None, name)).map(|a| a.value.as_ref())
    }

    /// All its text, which a comment in the middle does not end.
    pub(super) fn text(self) -> String {
        self.document.text_content_deep(self.node).trim().to_owned()
    }

    /// All elements of the document that are called so, however deep.
    pub(super) fn anywhere(self, namespace: &str, name: &str) -> usize {
        self.document.get_elements_by_tag_name_ns(namespace, name).len()
    }
}
