//! The registry: one line a system.
//!
//! Its own module, without any of the systems in it, as what is made from it (switches, scenario, state, routes) is what
//! systems themselves are written with.

/// Calls a macro with every system: what it is, the key of its switches, scenario and state, its folder, and the types
/// of these three there.
///
/// Data extraction is not among them: it was the first, and what belongs to it has no key of its own.
macro_rules! for_each_system {
    ($then:ident) => {
        $then! {
            /// Fusion's REST resources.
            rest: fusion_rest { RestFaults, RestScenario, RestState },
            /// Oracle EPM.
            epm: epm { EpmFaults, EpmScenario, EpmState },
            /// FOLIO.
            folio: folio { FolioFaults, FolioScenario, FolioState },
            /// FHIR Bulk Data.
            fhir: fhir_bulk { FhirFaults, FhirScenario, FhirState },
            /// Marketo.
            marketo: marketo { MarketoFaults, MarketoScenario, MarketoState },
            /// `NetSuite`.
            netsuite: netsuite { NetsuiteFaults, NetsuiteScenario, NetsuiteState },
            /// Salesforce Bulk API 2.0.
            salesforce: salesforce { SalesforceFaults, SalesforceScenario, SalesforceState },
            /// Shopify.
            shopify: shopify { ShopifyFaults, ShopifyScenario, ShopifyState },
            /// Stripe.
            stripe: stripe { StripeFaults, StripeScenario, StripeState },
            /// Amazon SP-API reports.
            sp_api: sp_api { SpApiFaults, SpApiScenario, SpApiState },
            /// Fusion's data extraction by `runExtract`.
            oracle: oracle_extract { OracleFaults, OracleScenario, OracleState },
        }
    };
}

pub(crate) use for_each_system;
