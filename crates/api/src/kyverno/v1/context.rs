//! Context entries: data that a rule asks for by name.
use crate::schema::{wire, words};
use sigward_document::Value;

wire! {
    /// Data under a name: from exactly one source.
    pub struct ContextEntry {
        /// The name under which expressions find it.
        name("name"): String, required;
        /// A ConfigMap.
        config_map("configMap"): Option<ConfigMapReference>;
        /// An answer of the API server or of another service.
        api_call("apiCall"): Option<ApiCall>;
        /// What a registry says about an image.
        image_registry("imageRegistry"): Option<ImageRegistry>;
        /// A value or an expression.
        variable("variable"): Option<Variable>;
        /// An entry of the global context.
        global_reference("globalReference"): Option<GlobalReference>;
    }
    with { "oneOf": [
        { "required": ["configMap"] },
        { "required": ["apiCall"] },
        { "required": ["imageRegistry"] },
        { "required": ["variable"] },
        { "required": ["globalReference"] }
    ] }
}

wire! {
    /// A ConfigMap by name.
    pub struct ConfigMapReference {
        /// Its name.
        name("name"): String, required;
        /// Its namespace.
        namespace("namespace"): String;
    }
}

words! {
    /// How a service is asked.
    pub enum HttpMethod {
        /// Reads.
        Get = "GET",
        /// Sends `data`.
        Post = "POST",
    }
}

wire! {
    /// A request to the API server (`urlPath`) or to another service (`service`).
    pub struct ApiCall {
        /// Path at the API server, such as `/api/v1/namespaces`.
        url_path("urlPath"): String;
        /// `GET` (the default) or `POST`.
        method("method"): Option<HttpMethod>, { "default": "GET" };
        /// Members of the JSON object that a `POST` sends.
        data("data"): Vec<RequestData>;
        /// Another service than the API server.
        service("service"): Option<ServiceCall>;
        /// Used instead when the request fails.
        default("default"): Option<Value>;
        /// An expression over the answer.
        jmes_path("jmesPath"): String;
    }
}

impl ApiCall {
    /// `method`, or `GET`.
    pub fn effective_method(&self) -> HttpMethod {
        self.method.unwrap_or(HttpMethod::Get)
    }
}

wire! {
    /// One member of the JSON object that is sent.
    pub struct RequestData {
        /// Its name.
        key("key"): String, required;
        /// Its value.
        value("value"): Option<Value>, required;
    }
}

wire! {
    /// A service that is not the API server.
    pub struct ServiceCall {
        /// Where it is, with scheme and path.
        url("url"): String, required;
        /// Headers to send.
        headers("headers"): Vec<HttpHeader>;
        /// Certificates in PEM that its certificate must descend from.
        ca_bundle("caBundle"): String;
    }
}

wire! {
    /// A header of a request.
    pub struct HttpHeader {
        /// Its name.
        key("key"): String, required;
        /// Its value.
        value("value"): String, required;
    }
}

wire! {
    /// What a registry says about an image: its reference taken apart, manifest and configuration.
    pub struct ImageRegistry {
        /// The image, such as `ghcr.io/org/app:v1`.
        reference("reference"): String, required;
        /// An expression over the answer.
        jmes_path("jmesPath"): String;
        /// How to sign in.
        image_registry_credentials("imageRegistryCredentials"): Option<ImageRegistryCredentials>;
    }
}

wire! {
    /// How to sign in to registries.
    pub struct ImageRegistryCredentials {
        /// Whether plain HTTP and unchecked certificates are accepted.
        allow_insecure_registry("allowInsecureRegistry"): Option<bool>;
        /// Sources of credentials: `default`, `amazon`, `azure`, `google`, `github`.
        providers("providers"): Vec<String>,
            { "items": { "type": "string", "enum": ["default", "amazon", "azure", "google", "github"] } };
        /// Names of Secrets in the controller's namespace.
        secrets("secrets"): Vec<String>;
    }
}

wire! {
    /// A value, an expression over a value, or an expression over the context.
    pub struct Variable {
        /// Any value; variables in it are replaced.
        value("value"): Option<Value>;
        /// An expression.
        jmes_path("jmesPath"): String;
        /// Used when the expression yields nothing.
        default("default"): Option<Value>;
    }
}

wire! {
    /// An entry of the global context, or one of its projections.
    pub struct GlobalReference {
        /// `entry` or `entry.projection`.
        name("name"): String, required;
        /// An expression over it.
        jmes_path("jmesPath"): String;
    }
}
