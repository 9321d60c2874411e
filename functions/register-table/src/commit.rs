//! What Iceberg's crate makes of an append, without its own loop around it: that would commit again without looking.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use iceberg::spec::DataFile;
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction as _, Transaction};
use iceberg::{
    Catalog, Error, ErrorKind, Namespace, NamespaceIdent, Result, TableCommit, TableCreation, TableIdent,
    TableRequirement, TableUpdate,
};

/// What is to be committed.
#[derive(Debug)]
pub(crate) struct Append {
    pub requirements: Vec<TableRequirement>,
    pub updates: Vec<TableUpdate>,
}

impl Append {
    /// The snapshot that it makes.
    pub(crate) fn snapshot_id(&self) -> Option<i64> {
        self.updates.iter().find_map(|update| match update {
            TableUpdate::AddSnapshot { snapshot } => Some(snapshot.snapshot_id()),
            _ => None,
        })
    }
}

/// Writes the manifest of the files and the list that it is in; commits nothing.
pub(crate) async fn prepare(
    table: &Table,
    files: Vec<DataFile>,
    summary: HashMap<String, String>,
) -> Result<Append> {
    let transaction = Transaction::new(table);
    // Whether the files are there already is known from the snapshots: looking for them would read every manifest.
    let append = transaction.fast_append().with_check_duplicate(false);
    let append = append.set_snapshot_properties(summary).add_data_files(files);
    let catalog = Caught { table, append: Mutex::new(None) };
    // It ends with the catalog's refusal, once it has all.
    let came = append.apply(transaction)?.commit(&catalog).await;
    match (catalog.append.into_inner(), came) {
        (Ok(Some(append)), _) => Ok(append),
        (_, Err(error)) => Err(error),
        (_, Ok(_)) => Err(Error::new(ErrorKind::Unexpected, "nothing was to be committed")),
    }
}

/// Stands where the crate wants a catalog: has one table, as it is, and keeps what is committed to it.
#[derive(Debug)]
struct Caught<'a> {
    table: &'a Table,
    append: Mutex<Option<Append>>,
}

fn never<T>() -> Result<T> {
    Err(Error::new(ErrorKind::FeatureUnsupported, "this is caught, and goes no further"))
}

#[async_trait]
impl Catalog for Caught<'_> {
    async fn load_table(&self, _table: &TableIdent) -> Result<Table> {
        Ok(self.table.clone())
    }

    async fn update_table(&self, mut commit: TableCommit) -> Result<Table> {
        let append = Append { requirements: commit.take_requirements(), updates: commit.take_updates() };
        if let Ok(mut caught) = self.append.lock() {
            *caught = Some(append);
        }
        never()
    }

    async fn list_namespaces(&self, _parent: Option<&NamespaceIdent>) -> Result<Vec<NamespaceIdent>> {
        never()
    }

    async fn create_namespace(
        &self,
        _namespace: &NamespaceIdent,
        _properties: HashMap<String, String>,
    ) -> Result<Namespace> {
        never()
    }

    async fn get_namespace(&self, _namespace: &NamespaceIdent) -> Result<Namespace> {
        never()
    }

    async fn namespace_exists(&self, _namespace: &NamespaceIdent) -> Result<bool> {
        never()
    }

    async fn update_namespace(
        &self,
        _namespace: &NamespaceIdent,
        _properties: HashMap<String, String>,
    ) -> Result<()> {
        never()
    }

    async fn drop_namespace(&self, _namespace: &NamespaceIdent) -> Result<()> {
        never()
    }

    async fn list_tables(&self, _namespace: &NamespaceIdent) -> Result<Vec<TableIdent>> {
        never()
    }

    async fn create_table(&self, _namespace: &NamespaceIdent, _creation: TableCreation) -> Result<Table> {
        never()
    }

    async fn drop_table(&self, _table: &TableIdent) -> Result<()> {
        never()
    }

    async fn purge_table(&self, _table: &TableIdent) -> Result<()> {
        never()
    }

    async fn table_exists(&self, _table: &TableIdent) -> Result<bool> {
        never()
    }

    async fn rename_table(&self, _from: &TableIdent, _to: &TableIdent) -> Result<()> {
        never()
    }

    async fn register_table(&self, _table: &TableIdent, _metadata_location: String) -> Result<Table> {
        never()
    }
}
