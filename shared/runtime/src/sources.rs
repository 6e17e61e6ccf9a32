//! What AWS says of our usage besides its answers: the clients that only
//! reconciliation has. They are built for it alone, for each client costs a
//! function's start something.

use app::reconciliation::Sources;
use aws_config::Region;
use marketplace::{DataFeeds, Invoices};

use crate::aws::{Clients, MARKETPLACE_REGION, shared};
use crate::https::Https;
use crate::settings::{AwsSettings, Signing};

impl Clients {
    /// AWS's invoices, and its data feeds if there is a bucket of them, by the same
    /// HTTP client as the others. Calls nobody.
    pub fn sources(&self, settings: &AwsSettings, data_feeds: Option<String>) -> Sources {
        let shared_with = self.dynamodb.config().http_client();
        let http_client =
            shared_with.unwrap_or_else(|| Https::to_aws(settings.endpoint_url.as_deref()).client());
        let config = shared(http_client, settings);
        let marketplace = config
            .to_builder()
            .region(Region::from_static(MARKETPLACE_REGION))
            .build();
        let agreement = aws_sdk_marketplaceagreement::config::Builder::from(&marketplace);
        // By path, so that any name will do for a bucket, and a fake for S3.
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        let (agreement, s3) = match settings.signing {
            Signing::FromEnvironment => (agreement, s3),
            Signing::None => (agreement.allow_no_auth(), s3.allow_no_auth()),
        };
        let s3 = aws_sdk_s3::Client::from_conf(s3.build());
        let agreement = aws_sdk_marketplaceagreement::Client::from_conf(agreement.build());
        Sources {
            invoices: Invoices::new(agreement),
            feeds: data_feeds.map(|bucket| DataFeeds::new(s3, bucket)),
        }
    }
}
