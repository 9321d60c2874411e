//! What a catalog's name stands for, and which of its tables a destination's jobs are appended to.

use landfall_http::{HttpSettings, OAuth};
use landfall_store::StoreSettings;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// An Iceberg catalog, by its REST API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// What leads `/v1/config`.
    pub uri: Url,
    /// The warehouse that the tables are in, where the catalog has several.
    #[serde(default)]
    pub warehouse: Option<String>,
    /// Who calls; nobody, if not said.
    #[serde(default)]
    pub login: Option<CatalogLogin>,
    /// How it is called.
    #[serde(default)]
    pub http: HttpSettings,
    /// Where the bucket is that the catalog keeps its tables' metadata in; where the destination's is, if not said.
    #[serde(default)]
    pub store: Option<StoreSettings>,
}

/// Who calls a catalog.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CatalogLogin {
    /// Whoever has a token.
    Bearer {
        /// The token.
        token: SecretString,
    },
    /// A client that is given tokens.
    Oauth {
        /// What is asked for.
        scope: String,
        /// Where, and by which secret.
        client: Box<OAuth>,
    },
    /// The function's role, or whoever AWS's own settings name: each call is signed.
    Sigv4 {
        /// The service that the signature is for: `glue`, or `s3tables`.
        service: String,
        /// Its region, where AWS's settings do not say it.
        #[serde(default)]
        region: Option<String>,
    },
}

/// The table that a destination's jobs are appended to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// The catalog's name in the configuration.
    pub catalog: String,
    /// The namespace that the table is in; its levels with dots between them. It is there.
    pub namespace: String,
    /// The table's name. Fields in it: `{connection}`, `{export}`, and `{table}`, the table's number in the export's schema.
    pub name: String,
    /// By what a table that is made is partitioned; not at all, if not said.
    #[serde(default)]
    pub partition: Option<PartitionBy>,
}

/// By what a table is partitioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionBy {
    /// The day on which a run was submitted, in UTC.
    Day,
}

/// Why there can be no such table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTable {
    /// A field that a table's name does not have.
    #[error("table.name has an unknown field {{{0}}}: it takes {{connection}}, {{export}} and {{table}}")]
    UnknownField(String),
    /// A table that is not named.
    #[error("table.namespace and table.name must name a table: a level of theirs is empty")]
    WithoutName,
}

/// The fields of a table's name.
pub const TABLE_FIELDS: [&str; 3] = ["connection", "export", "table"];

impl TableSettings {
    /// Holds the settings against each other.
    pub(super) fn check(&self) -> Result<(), InvalidTable> {
        let rest = TABLE_FIELDS
            .iter()
            .fold(self.name.clone(), |rest, field| rest.replace(&format!("{{{field}}}"), "x"));
        if let Some((_, unknown)) = rest.split_once('{') {
            let unknown = unknown.split('}').next().unwrap_or_default();
            return Err(InvalidTable::UnknownField(unknown.to_owned()));
        }
        let is_empty = |level: &str| level.trim().is_empty();
        match is_empty(&rest) || self.namespace.split('.').any(is_empty) {
            true => Err(InvalidTable::WithoutName),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(name: &str, namespace: &str) -> Result<(), String> {
        let table = json!({ "catalog": "lake", "namespace": namespace, "name": name, "partition": "day" });
        let table: TableSettings = serde_json::from_value(table).unwrap();
        assert_eq!(table.partition, Some(PartitionBy::Day));
        table.check().map_err(|wrong| wrong.to_string())
    }

    /// What a table cannot be called is said before anything is submitted.
    #[test]
    fn a_table_has_a_name_of_known_fields() {
        assert_eq!(checked("{connection}_{export}_{table}", "erp.ledger"), Ok(()));
        assert!(checked("{exports}", "erp").unwrap_err().contains("{exports}"));
        assert!(checked("", "erp").unwrap_err().contains("must name a table"));
        assert!(checked("ledger", "erp..ledger").unwrap_err().contains("must name a table"));
    }

    /// Whoever calls is said in one of three ways, and shown in none.
    #[test]
    fn a_catalogs_login_is_of_a_known_type() {
        let catalog = |login: serde_json::Value| {
            serde_json::from_value::<Catalog>(json!({ "uri": "https://catalog.example/", "login": login }))
        };
        let shown = format!("{:?}", catalog(json!({ "type": "bearer", "token": "hush-hush" })).unwrap());
        assert!(!shown.contains("hush-hush"), "{shown}");
        assert!(catalog(json!({ "type": "sigv4", "service": "glue" })).is_ok());
        assert!(catalog(json!({ "type": "sigv4", "service": "glue", "zone": "x" })).is_err());
        let client =
            json!({ "token_url": "https://x.example/t", "grant": "client_credentials", "client_id": "c" });
        assert!(catalog(json!({ "type": "oauth", "scope": "PRINCIPAL_ROLE:ALL", "client": client })).is_ok());
    }
}
