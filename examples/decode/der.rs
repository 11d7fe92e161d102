//! Walks through DER by a grammar, as far as it goes. Whether a message is right is the library's to say.

use credssp::kerberos::asn1::KerberosTime;

use crate::names;
use crate::token::{self, View};
use crate::tree::{At, Node, Value};

/// What stands at a place.
pub(crate) enum Type {
    /// A SEQUENCE of fields with explicit context tags.
    Fields(&'static [Field]),
    /// A SEQUENCE OF, and what to call an element.
    List(&'static str, &'static Self),
    /// A type below another tag.
    Tagged(u8, &'static Self),
    /// An INTEGER or ENUMERATED, and what its values mean.
    Number(fn(i64) -> Option<String>),
    /// A BIT STRING, of which the first bit is the highest.
    Flags(&'static [(u32, &'static str)]),
    Oid,
    Time,
    /// A GeneralString.
    Text,
    /// A PrincipalName, in one line.
    Principal,
    Octets(Content),
    /// A SEQUENCE of a number, and of octets whose contents depend on it.
    Variant(&'static ByType),
}

/// A field of a SEQUENCE.
pub(crate) struct Field(
    pub(crate) u8,
    pub(crate) &'static str,
    pub(crate) &'static Type,
);

pub(crate) struct ByType {
    /// The context tags of the number and of the octets, and what to call them.
    pub(crate) tags: [u8; 2],
    pub(crate) names: [&'static str; 2],
    pub(crate) meaning: fn(i64) -> Option<String>,
    pub(crate) content: fn(i64) -> Content,
}

/// What stands in an OCTET STRING.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    Octets,
    Secret,
    Utf16,
    SecretUtf16,
    /// A token of any kind, which may be unknown.
    Token,
    Der(&'static str, &'static Type),
    /// By its own octets.
    Choice(fn(&[u8]) -> Self),
    Other(fn(&View, &str, At<'_>) -> Node),
}

pub(crate) fn no_meaning(_: i64) -> Option<String> {
    None
}

const fn context(number: u8) -> u8 {
    0xa0 | number
}

pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    whole: At<'a>,
    pub(crate) contents: At<'a>,
    /// How many octets its length promises that are not there.
    missing: usize,
}

impl Element<'_> {
    pub(crate) fn is_whole(&self) -> bool {
        self.missing == 0
    }
}

/// Takes one element off. Lengths that are not the shortest are taken too.
pub(crate) fn element<'a>(input: &mut At<'a>) -> Result<Element<'a>, String> {
    let start = *input;
    let header = |at: usize| start.bytes.get(at).copied().ok_or("ends within a header");
    let tag = header(0)?;
    if tag & 0x1f == 0x1f {
        return Err(format!(
            "tag 0x{tag:02x}: tags of several octets are not known here"
        ));
    }
    let (size, length) = match header(1)? {
        short @ ..0x80 => (2, usize::from(short)),
        0x80 => return Err("the length is indefinite, which DER forbids".into()),
        long => {
            let count = usize::from(long & 0x7f);
            let octets = start.part(2, count).ok_or("ends within a length")?;
            let value = octets.bytes.iter().try_fold(0_usize, |value, octet| {
                value.checked_mul(256)?.checked_add(usize::from(*octet))
            });
            (2 + count, value.ok_or("the length is absurd")?)
        }
    };
    let whole = input.take(size.saturating_add(length));
    let contents = whole.from(size);
    Ok(Element {
        tag,
        whole,
        contents,
        missing: length - contents.len(),
    })
}

/// The fields of the SEQUENCE below a tag, as far as they go.
pub(crate) fn fields(tagged: &[u8]) -> Vec<Element<'_>> {
    let inner = |mut at| Some(element(&mut at).ok()?.contents);
    let mut rest = inner(At::new(tagged)).and_then(inner);
    let next = || element(rest.as_mut()?).ok();
    std::iter::from_fn(next).collect()
}

impl Type {
    fn tag(&self) -> u8 {
        match self {
            Self::Fields(_) | Self::List(..) | Self::Principal | Self::Variant(_) => 0x30,
            Self::Tagged(tag, _) => *tag,
            Self::Number(_) => 0x02,
            Self::Flags(_) => 0x03,
            Self::Octets(_) => 0x04,
            Self::Oid => 0x06,
            Self::Time => 0x18,
            Self::Text => 0x1b,
        }
    }

    /// Reads one value of this type off the front of `input`.
    pub(crate) fn read(&self, view: &View, name: &str, input: &mut At<'_>) -> Node {
        let Some(view) = view.deeper() else {
            let node = Node::new(name, *input).error("nested too deeply");
            input.take(input.len());
            return node;
        };
        let start = *input;
        let element = match element(input) {
            Ok(element) => element,
            Err(error) => {
                input.take(input.len());
                return Node::new(name, start).error(error);
            }
        };
        let mut node = Node::new(name, element.whole);
        let enumerated = element.tag == 0x0a && matches!(self, Self::Number(_));
        if element.tag == self.tag() || enumerated {
            node = self.contents(&view, node, element.contents);
        } else {
            let error = format!(
                "tag 0x{:02x} where 0x{:02x} belongs",
                element.tag,
                self.tag()
            );
            node = node.octets(element.contents.bytes).error(error);
        }
        missing(node, &element)
    }

    fn contents(&self, view: &View, mut node: Node, mut contents: At<'_>) -> Node {
        let octets = contents.bytes;
        match self {
            Self::Fields(fields) => {
                while !contents.is_empty() {
                    node.push(field(view, fields, &mut contents));
                }
                node
            }
            Self::List(name, element) => {
                while !contents.is_empty() {
                    node.push(element.read(view, name, &mut contents));
                }
                node
            }
            Self::Tagged(_, inner) => {
                let name = node.name().to_owned();
                let inner = inner.read(view, &name, &mut contents);
                node.value = inner.value;
                node.children = inner.children;
                behind(node, contents)
            }
            Self::Number(meaning) => match number(octets) {
                Some(number) => {
                    let node = node.number(number);
                    match meaning(number) {
                        Some(meaning) => node.meaning(meaning),
                        None => node,
                    }
                }
                None => node.octets(octets).error("no number of up to 8 octets"),
            },
            Self::Flags(names) => match octets.split_first() {
                Some((_, octets)) => {
                    let bits = octets.iter().chain(&[0; 4]).take(4);
                    let bits = bits.fold(0, |bits, octet| bits << 8 | u32::from(*octet));
                    node.flags(bits, 32, names)
                }
                None => node.error("an empty BIT STRING"),
            },
            Self::Oid => {
                let node = node.text(names::dotted(octets));
                match names::oid(octets) {
                    Some(name) => node.meaning(name),
                    None => node,
                }
            }
            Self::Time | Self::Text => node.text(String::from_utf8_lossy(octets)),
            Self::Principal => principal(PRINCIPAL.contents(view, node, contents)),
            Self::Octets(content) => content.read(view, node, contents),
            Self::Variant(by_type) => by_type.contents(view, node, contents),
        }
    }
}

static PRINCIPAL: Type = Type::Fields(&[
    Field(0, "name-type", &Type::Number(names::name_type)),
    Field(1, "name-string", &Type::List("component", &Type::Text)),
]);

/// The components, with a slash between them, in place of the fields.
fn principal(mut node: Node) -> Node {
    if node.is_wrong() {
        return node;
    }
    let kind = node.children.first().and_then(|kind| match kind.value {
        Some(Value::Number(number)) => names::name_type(number),
        _ => None,
    });
    let components = node.children.iter().flat_map(|field| &field.children);
    let components: Vec<_> = components
        .filter_map(|component| match &component.value {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let text = components.join("/");
    node.children.clear();
    match kind {
        Some(kind) => node.text(text).meaning(kind),
        None => node.text(text),
    }
}

/// Says so where octets are missing at its end.
pub(crate) fn missing(node: Node, element: &Element<'_>) -> Node {
    match element.missing {
        0 => node,
        // It is said of the innermost and of the outermost, and not of each in between.
        _ if node.is_wrong() && element.whole.offset > 0 => node,
        missing => {
            let end = element.whole.offset + element.whole.len();
            node.error(format!(
                "ends early: its length says {} octets, of which {missing} are missing at byte {end}",
                element.contents.len() + missing
            ))
        }
    }
}

/// Says so where something stands behind what was read.
pub(crate) fn behind(mut node: Node, rest: At<'_>) -> Node {
    if !rest.is_empty() {
        let extra = Node::new("(behind it)", rest).octets(rest.bytes);
        node.push(extra.error("nothing belongs here"));
    }
    node
}

/// Reads the field whose tag stands there.
fn field(view: &View, fields: &[Field], input: &mut At<'_>) -> Node {
    let tag = input.bytes.first().copied().unwrap_or_default();
    if let Some(Field(_, name, kind)) = fields.iter().find(|field| context(field.0) == tag) {
        return explicit(view, kind, name, input);
    }
    let start = *input;
    match element(input) {
        Ok(unknown) => {
            let node = Node::new(format!("(tag 0x{tag:02x})"), unknown.whole);
            let node = node.octets(unknown.contents.bytes);
            missing(node.error("no field that is known here"), &unknown)
        }
        Err(error) => {
            input.take(input.len());
            Node::new("(field)", start).error(error)
        }
    }
}

/// A value below an explicit tag.
fn explicit(view: &View, kind: &Type, name: &str, input: &mut At<'_>) -> Node {
    match element(input) {
        Ok(outer) => {
            let mut contents = outer.contents;
            let node = kind.read(view, name, &mut contents);
            missing(behind(node, contents), &outer)
        }
        Err(error) => {
            let node = Node::new(name, *input).error(error);
            input.take(input.len());
            node
        }
    }
}

/// An INTEGER of up to 8 octets.
fn number(octets: &[u8]) -> Option<i64> {
    let sign = match octets.first()? {
        0x80.. => -1,
        _ => 0,
    };
    (octets.len() <= 8).then(|| {
        octets
            .iter()
            .fold(sign, |number, octet| number << 8 | i64::from(*octet))
    })
}

impl ByType {
    fn contents(&self, view: &View, mut node: Node, mut contents: At<'_>) -> Node {
        let [number_name, octets_name] = self.names;
        let mut number = None;
        while !contents.is_empty() {
            let content = number.map_or(Content::Octets, self.content);
            let tag = contents.bytes.first().copied().unwrap_or_default();
            let child = match self.tags.map(context) {
                [kind, _] if kind == tag => {
                    let kind = Type::Number(self.meaning);
                    explicit(view, &kind, number_name, &mut contents)
                }
                [_, value] if value == tag => {
                    let octets = Type::Octets(content);
                    explicit(view, &octets, octets_name, &mut contents)
                }
                _ => field(view, &[], &mut contents),
            };
            if let (None, Some(Value::Number(value))) = (number, &child.value) {
                number = Some(*value);
            }
            node.push(child);
        }
        node
    }
}

impl Content {
    pub(crate) fn read(self, view: &View, mut node: Node, mut at: At<'_>) -> Node {
        match self {
            Self::Octets => node.octets(at.bytes),
            Self::Secret if view.show_secrets => node.octets(at.bytes),
            Self::SecretUtf16 if view.show_secrets => Self::Utf16.read(view, node, at),
            Self::Secret | Self::SecretUtf16 => node.value(Value::Masked),
            Self::Utf16 => match utf16(at.bytes) {
                Some(text) => node.text(text),
                None => node.octets(at.bytes).error("no UTF-16LE"),
            },
            Self::Token => match token::nested(view, at) {
                Some(token) => {
                    node.push(token);
                    node
                }
                None => node.octets(at.bytes),
            },
            Self::Der(name, kind) => {
                let inner = kind.read(view, name, &mut at);
                node.push(inner);
                behind(node, at)
            }
            Self::Choice(choose) => choose(at.bytes).read(view, node, at),
            Self::Other(read) => {
                node.push(read(view, "", at));
                node
            }
        }
    }
}

pub(crate) fn utf16(octets: &[u8]) -> Option<String> {
    let (units, []) = octets.as_chunks::<2>() else {
        return None;
    };
    let units: Vec<_> = units.iter().copied().map(u16::from_le_bytes).collect();
    String::from_utf16(&units).ok()
}

/// A time in seconds since 1970, for people.
pub(crate) fn time(unix: u64) -> String {
    let digits = KerberosTime::from_unix(unix).to_string();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{} {}:{}:{} UTC",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    )
}
