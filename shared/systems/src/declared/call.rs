//! A call as a description has it, and the request that it is.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use landfall::error::{Error, Result};
use landfall_http::Request;
use url::Url;

use super::template::{JsonTemplate, Template, Values};
use crate::tables::{Form, Keys as _, Node, Read, keys};

/// The largest answer that is read whole: a list of 100,000 files is one of twenty megabytes.
const MAX_ANSWER_BYTES: u64 = 48 << 20;

/// Headers that are the client's own affair.
const OWN_HEADERS: [&str; 6] =
    ["authorization", "host", "cookie", "content-length", "transfer-encoding", "content-type"];

/// A call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path below the connection's base URL; with a slash before it, below its host. A name alone may be a URL.
    pub(super) target: Template,
    pub(super) query: Vec<(String, Template)>,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) body: Body,
    /// Whether its answer is a file, of which nothing but the head is read.
    pub(super) is_for_its_head: bool,
}

/// What a call carries.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Body {
    /// Nothing.
    #[default]
    Nothing,
    /// A JSON document.
    Json(JsonTemplate),
    /// A form.
    Form(Vec<(String, Template)>),
    /// XML.
    Xml(Template),
}

keys! {
    /// A call: one of the methods, with the path below `base_url`, or with a slash before it, below its host.
    struct CallKeys {
        /// The path of a GET.
        get: maybe Template,
        /// The path of a POST.
        post: maybe Template,
        /// The path of a PUT.
        put: maybe Template,
        /// The path of a PATCH.
        patch: maybe Template,
        /// The path of a DELETE.
        delete: maybe Template,
        /// The parameters. One that is a name alone and stands for nothing is left out.
        query: or Vec<(String, Template)> = Vec::new(),
        /// The headers besides those of credentials and body.
        headers: or Vec<(HeaderName, Template)> = Vec::new(),
        /// The body as JSON.
        json: maybe JsonTemplate,
        /// The body as a form; a list in a field whose name ends in `[]` is the field several times.
        form: maybe Vec<(String, Template)>,
        /// The body as XML.
        xml: maybe Template,
    }
}

impl Read for Call {
    const FORM: Form = Form::Table(&CallKeys::TABLE);

    fn read(node: &Node<'_>) -> Option<Self> {
        let fields = node.fields()?;
        let paths = ["get", "post", "put", "patch", "delete"];
        let paths = paths.iter().filter(|method| fields.node(method).is_some()).count();
        let CallKeys { get, post, put, patch, delete, query, headers, json, form, xml } =
            CallKeys::of(fields);
        let methods = [
            (Method::GET, get),
            (Method::POST, post),
            (Method::PUT, put),
            (Method::PATCH, patch),
            (Method::DELETE, delete),
        ];
        let mut methods = methods.into_iter().filter_map(|(method, path)| Some((method, path?)));
        let (Some((method, target)), None) = (methods.next(), methods.next()) else {
            // What is wrong with a path is told already.
            if paths != 1 {
                node.fault("a call has one of: get, post, put, patch, delete, with its path");
            }
            return None;
        };
        let bodies = [json.map(Body::Json), form.map(Body::Form), xml.map(Body::Xml)];
        let mut bodies = bodies.into_iter().flatten();
        let body = bodies.next().unwrap_or_default();
        if bodies.next().is_some() {
            node.fault("a call has one body: json, form or xml");
        }
        if method == Method::GET && body != Body::Nothing {
            node.fault("a GET has no body");
        }
        Some(Self { method, target, query, headers, body, is_for_its_head: false })
    }
}

impl Read for Vec<(HeaderName, Template)> {
    const FORM: Form = Form::Entries(&Template::FORM);

    fn read(node: &Node<'_>) -> Option<Self> {
        let mut headers = Vec::new();
        for (name, node) in node.fields()?.entries() {
            match name.text.parse::<HeaderName>() {
                Ok(header) if OWN_HEADERS.contains(&header.as_str()) => {
                    name.fault("this header follows from the connection and the body");
                }
                Ok(header) => headers.extend(Template::read(&node).map(|template| (header, template))),
                Err(_) => name.fault(format!("{:?} is not a header's name", name.text)),
            }
        }
        Some(headers)
    }
}

impl Call {
    /// A `GET` of a path.
    pub(super) fn get(target: Template) -> Self {
        Self { target, ..Self::default() }
    }

    /// The request, of this URL if one is given: that of a further page.
    pub(super) fn request(&self, base: &Url, values: &Values, at: Option<&Url>) -> Result<Request> {
        let url = match at {
            Some(url) => url.clone(),
            None => self.url(base, values)?,
        };
        let is_get = self.method == Method::GET;
        let request = if is_get { Request::get(url) } else { Request::of(self.method.clone(), url) };
        let mut request = match self.body(values)? {
            Some((kind, bytes)) => request.header(header::CONTENT_TYPE, kind).carrying(bytes),
            // Some servers want a length of every POST.
            None if self.method == Method::POST || self.method == Method::PUT => {
                request.carrying(Bytes::new())
            }
            None => request,
        };
        for (name, template) in &self.headers {
            if let Some(value) = template.text(values)? {
                let value = HeaderValue::from_str(&value).map_err(|_| {
                    Error::invalid_event(format!("what {name} is made of cannot stand in a header"))
                })?;
                request = request.with(name.clone(), value);
            }
        }
        if self.is_for_its_head {
            // As it is asked for when it is fetched.
            request = request.header(header::ACCEPT, "application/octet-stream, */*;q=0.5");
        }
        Ok(request.at_most(MAX_ANSWER_BYTES))
    }

    /// Where it goes.
    pub(super) fn url(&self, base: &Url, values: &Values) -> Result<Url> {
        let unusable =
            |target: &str| Error::invalid_event(format!("{target:?} is no address that can be called"));
        let mut url = match self.target.alone().and_then(|name| values.text(name)) {
            Some(link) if link.contains("://") || link.starts_with('/') => {
                base.join(&link).map_err(|_| unusable(&link))?
            }
            _ => {
                let path = self.target.path(values)?.unwrap_or_default();
                let mut url = base.clone();
                url.set_query(None);
                url.set_fragment(None);
                let prefix = if path.starts_with('/') { "" } else { base.path().trim_end_matches('/') };
                url.set_path(&format!("{prefix}/{}", path.trim_start_matches('/')));
                url
            }
        };
        let mut pairs = Vec::new();
        for (name, template) in &self.query {
            pairs.extend(template.text(values)?.map(|value| (name.as_str(), value)));
        }
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        Ok(url)
    }

    /// The method, and where it goes.
    pub(super) fn line(&self, base: &Url, values: &Values) -> Result<String> {
        Ok(format!("{} {}", self.method, self.url(base, values)?))
    }

    /// What it carries, and the media type of that.
    pub(super) fn body(&self, values: &Values) -> Result<Option<(&'static str, Bytes)>> {
        Ok(match &self.body {
            Body::Nothing => None,
            Body::Json(template) => {
                let body = template.json(values)?.unwrap_or_default();
                Some(("application/json", Bytes::from(body.to_string())))
            }
            Body::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                for (name, template) in fields {
                    // A list of such a field is the field, once for each of its elements.
                    let listed = template.alone().and_then(|alone| values.list(alone));
                    match listed.filter(|_| name.ends_with("[]")) {
                        Some(elements) => {
                            form.extend_pairs(elements.iter().map(|element| (name, element)));
                        }
                        None => {
                            form.extend_pairs(template.text(values)?.map(|value| (name, value)));
                        }
                    }
                }
                Some(("application/x-www-form-urlencoded", Bytes::from(form.finish())))
            }
            Body::Xml(template) => {
                Some(("application/xml", Bytes::from(template.xml(values)?.unwrap_or_default())))
            }
        })
    }

    /// Every template of it, and whether what it makes is left out where it is a name alone that stands for nothing.
    pub(super) fn templates(&self) -> Vec<(&Template, bool)> {
        fn of_json<'t>(template: &'t JsonTemplate, found: &mut Vec<(&'t Template, bool)>) {
            match template {
                JsonTemplate::Text(text) => found.push((text, true)),
                JsonTemplate::Literal(_) => {}
                JsonTemplate::List(list) => list.iter().for_each(|element| of_json(element, found)),
                JsonTemplate::Object(fields) => fields.iter().for_each(|(_, field)| of_json(field, found)),
            }
        }
        let mut found = vec![(&self.target, false)];
        found.extend(self.query.iter().map(|(_, template)| (template, true)));
        found.extend(self.headers.iter().map(|(_, template)| (template, true)));
        match &self.body {
            Body::Nothing => {}
            Body::Json(template) => of_json(template, &mut found),
            Body::Form(fields) => found.extend(fields.iter().map(|(_, template)| (template, true))),
            Body::Xml(template) => found.push((template, false)),
        }
        found
    }

    /// The names in them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.templates().into_iter().flat_map(|(template, _)| template.names())
    }

    /// Whether it says a moment of a window.
    pub(super) fn has_moment(&self) -> bool {
        self.names().any(|name| matches!(name, "from" | "until"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::declared::template::Bound;

    fn url(base: &str, target: &str, query: &[(&str, &str)], values: &Values) -> String {
        let template = |text: &str| Template::parse(text).unwrap();
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), template(value))).collect();
        let call = Call { query, ..Call::get(template(target)) };
        call.url(&base.parse().unwrap(), values).unwrap().to_string()
    }

    /// A path is below the base URL, or below its host; a name alone may be a link; what is unknown is left out.
    #[test]
    fn a_call_goes_where_it_says() {
        let mut values = Values::default();
        values.set("id", "a/b");
        values.set("types", json!(["Patient", "Device"]));
        values.set("status", "https://h.example/other/1?x=1");
        values.set_bound("level", Bound { value: json!("Group/7"), is_path: true });
        let base = "https://h.example/x/fhir/";
        for (target, query, called) in [
            ("jobs/{id}", &[][..], "https://h.example/x/fhir/jobs/a%2Fb"),
            ("/jobs/{id}", &[], "https://h.example/jobs/a%2Fb"),
            ("{status}", &[], "https://h.example/other/1?x=1"),
            (
                "{level}/$export",
                &[("_type", "{types}"), ("_since", "{from}")],
                "https://h.example/x/fhir/Group/7/$export?_type=Patient%2CDevice",
            ),
        ] {
            assert_eq!(url(base, target, query, &values), called);
        }
    }
}
