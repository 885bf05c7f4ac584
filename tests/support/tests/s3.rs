//! A supervised S3 server: objects, multipart uploads, versions and encryption through the AWS SDK, and what survives a crash.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{
        BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, ServerSideEncryption, VersioningConfiguration,
    },
};
use labor_testing::{DataFolder, S3};

async fn put(client: &Client, bucket: &str, key: &str, body: &'static [u8]) {
    client.put_object().bucket(bucket).key(key).body(ByteStream::from_static(body)).send().await.unwrap();
}

async fn get(client: &Client, bucket: &str, key: &str) -> Vec<u8> {
    client.get_object().bucket(bucket).key(key).send().await.unwrap().body.collect().await.unwrap().to_vec()
}

#[tokio::test]
async fn a_multipart_upload_comes_back_whole() {
    let client = labor_testing::s3().await.client();
    client.create_bucket().bucket("multipart").send().await.unwrap();
    let upload = client.create_multipart_upload().bucket("multipart").key("dump").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let chunks = [vec![b'a'; 5 << 20], vec![b'b'; 5 << 20], vec![b'c'; 100]];
    let mut parts = CompletedMultipartUpload::builder();
    for (number, chunk) in (1..).zip(chunks.clone()) {
        let part = client.upload_part().bucket("multipart").key("dump").upload_id(id).part_number(number);
        let done = part.body(chunk.into()).send().await.unwrap();
        parts = parts.parts(CompletedPart::builder().part_number(number).set_e_tag(done.e_tag).build());
    }
    let complete = client.complete_multipart_upload().bucket("multipart").key("dump").upload_id(id);
    complete.multipart_upload(parts.build()).send().await.unwrap();
    assert_eq!(get(&client, "multipart", "dump").await, chunks.concat());
}

#[tokio::test]
async fn versions_are_kept_and_encryption_is_answered() {
    let client = labor_testing::s3().await.client();
    client.create_bucket().bucket("versions").send().await.unwrap();
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket("versions").versioning_configuration(on).send().await.unwrap();
    put(&client, "versions", "key", b"one").await;
    put(&client, "versions", "key", b"two").await;
    client.delete_object().bucket("versions").key("key").send().await.unwrap();
    let listed = client.list_object_versions().bucket("versions").send().await.unwrap();
    assert_eq!((listed.versions().len(), listed.delete_markers().len()), (2, 1));
    for kind in [ServerSideEncryption::Aes256, ServerSideEncryption::AwsKms] {
        let request = client.put_object().bucket("versions").key("sealed").server_side_encryption(kind.clone());
        // SeaweedFS has no default KMS key: a request must name one, which it then makes.
        let request = request.set_ssekms_key_id((kind == ServerSideEncryption::AwsKms).then(|| "labor-backups".into()));
        let stored = request.body(ByteStream::from_static(b"sealed")).send().await.unwrap();
        assert_eq!(stored.server_side_encryption(), Some(&kind));
    }
}

#[tokio::test]
async fn only_our_keys_open_it_and_no_bucket_appears_by_itself() {
    let s3 = labor_testing::s3().await;
    let client = s3.client();
    let to_nowhere = client.put_object().bucket("nowhere").key("x").body(ByteStream::from_static(b"x"));
    assert!(to_nowhere.send().await.is_err());
    let wrong = client.config().to_builder().credentials_provider(aws_sdk_s3::config::Credentials::new(
        s3.access_key(),
        "wrong",
        None,
        None,
        "test",
    ));
    assert!(Client::from_conf(wrong.build()).list_buckets().send().await.is_err());
    assert_eq!(reqwest::get(s3.endpoint()).await.unwrap().status(), 403);
}

#[tokio::test]
async fn objects_survive_a_crash_and_a_start_on_other_ports_and_twenty_buckets_fit() {
    let folder = DataFolder::claim_empty("s3-test").await.unwrap();
    let place = folder.join("s3");
    let s3 = S3::start(&place).await.unwrap();
    let client = s3.client();
    for n in 0..20 {
        let bucket = format!("bucket-{n}");
        client.create_bucket().bucket(&bucket).send().await.unwrap();
        put(&client, &bucket, "key", b"value").await;
    }
    let keys = (s3.access_key().to_owned(), s3.secret_key().to_owned());
    s3.stop();
    s3.restart().await.unwrap();
    assert_eq!(get(&s3.client(), "bucket-7", "key").await, b"value");
    drop(s3);
    let s3 = S3::start(&place).await.unwrap();
    assert_eq!((s3.access_key().to_owned(), s3.secret_key().to_owned()), keys);
    assert_eq!(get(&s3.client(), "bucket-19", "key").await, b"value");
    s3.stop();
    assert!(s3.client().list_buckets().send().await.is_err());
}
