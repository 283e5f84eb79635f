//! S3: bodies that stream, with their checksums behind them; parts; lists; errors by their types.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::client::Waiters as _;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, CsvInput,
    CsvOutput, Delete, EncodingType, ExpressionType, FileHeaderInfo, InputSerialization, ObjectIdentifier,
    OutputSerialization, SelectObjectContentEventStream, VersioningConfiguration,
};
use bytes::Bytes;

use crate::bodies::{fetched, noise, sent, stream};
use crate::check::{Outcome, eventually, refused, same};
use crate::cloud::{Cloud, user};

const BUCKET: &str = "rust-bucket";

pub async fn run(cloud: &Cloud) -> Outcome {
    let s3 = cloud.s3();
    s3.create_bucket().bucket(BUCKET).send().await?;
    s3.wait_until_bucket_exists().bucket(BUCKET).wait(Duration::from_secs(10)).await?;
    streams(&s3).await?;
    broken(cloud, &s3).await?;
    parts(&s3).await?;
    files(&s3).await?;
    lists(&s3).await?;
    conditions(&s3).await?;
    presigned(cloud, &s3).await?;
    selected(&s3).await?;
    versions(&s3).await?;
    virtual_hosts(cloud).await?;
    emptied(&s3, BUCKET).await?;
    s3.delete_bucket().bucket(BUCKET).send().await?;
    s3.wait_until_bucket_not_exists().bucket(BUCKET).wait(Duration::from_secs(10)).await?;
    let gone = refused("the bucket is gone", "NoSuchBucket", 404, s3.list_objects_v2().bucket(BUCKET).send()).await?;
    same("as a NoSuchBucket", gone.is_no_such_bucket(), true)
}

async fn emptied(s3: &Client, bucket: &str) -> Outcome {
    let mut pages = s3.list_objects_v2().bucket(bucket).into_paginator().page_size(100).send();
    while let Some(page) = pages.next().await {
        let keys = page?.contents.unwrap_or_default().into_iter().filter_map(|o| o.key);
        let all = keys.map(|key| ObjectIdentifier::builder().key(key).build()).collect::<Result<Vec<_>, _>>()?;
        if !all.is_empty() {
            let count = all.len();
            let done = s3
                .delete_objects()
                .bucket(bucket)
                .delete(Delete::builder().set_objects(Some(all)).build()?)
                .send()
                .await?;
            same("each of a page is deleted", (done.deleted().len(), done.errors().len()), (count, 0))?;
        }
    }
    Ok(())
}

async fn body(s3: &Client, key: &str) -> Outcome<Bytes> {
    let got = s3.get_object().bucket(BUCKET).key(key).checksum_mode(ChecksumMode::Enabled).send().await?;
    // The SDK compares the checksum while the body is read.
    Ok(got.body.collect().await?.into_bytes())
}

/// What cannot be read twice is sent in chunks, and its checksum comes after it.
async fn streams(s3: &Client) -> Outcome {
    let whole = noise(700_001);
    for (algorithm, sum) in [
        (ChecksumAlgorithm::Crc32, "x-amz-checksum-crc32"),
        (ChecksumAlgorithm::Crc32C, "x-amz-checksum-crc32c"),
        (ChecksumAlgorithm::Crc64Nvme, "x-amz-checksum-crc64nvme"),
        (ChecksumAlgorithm::Sha1, "x-amz-checksum-sha1"),
        (ChecksumAlgorithm::Sha256, "x-amz-checksum-sha256"),
    ] {
        let pieces = whole.chunks(10_007).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let put =
            s3.put_object().bucket(BUCKET).key(sum).body(stream(pieces, whole.len())).checksum_algorithm(algorithm);
        put.send().await?;
        same(&format!("a stream with {sum}"), body(s3, sum).await? == whole, true)?;
        let head = s3.head_object().bucket(BUCKET).key(sum).checksum_mode(ChecksumMode::Enabled).send().await?;
        let sums = [
            ("x-amz-checksum-crc32", head.checksum_crc32()),
            ("x-amz-checksum-crc32c", head.checksum_crc32_c()),
            ("x-amz-checksum-crc64nvme", head.checksum_crc64_nvme()),
            ("x-amz-checksum-sha1", head.checksum_sha1()),
            ("x-amz-checksum-sha256", head.checksum_sha256()),
        ];
        let told: Vec<&str> = sums.iter().filter(|(_, sum)| sum.is_some()).map(|(name, _)| *name).collect();
        same("its checksum and no other", told, vec![sum])?;
        same("its length, and no encoding", (head.content_length(), head.content_encoding()), (Some(700_001), None))?;
    }
    s3.put_object()
        .bucket(BUCKET)
        .key("zipped")
        .content_encoding("gzip")
        .body(stream(vec![Ok(Bytes::from("x"))], 1))
        .send()
        .await?;
    let head = s3.head_object().bucket(BUCKET).key("zipped").send().await?;
    same("an encoding of the object's own stays", head.content_encoding(), Some("gzip"))?;
    s3.put_object().bucket(BUCKET).key("empty").body(stream(Vec::new(), 0)).send().await?;
    same("a stream of nothing", body(s3, "empty").await?.len(), 0)
}

/// What does not come whole is not stored.
async fn broken(cloud: &Cloud, s3: &Client) -> Outcome {
    let piece = || Ok(Bytes::from(noise(100_000)));
    let cut = || Err(std::io::Error::other("the source ended"));
    for (key, pieces) in [("failed", vec![piece(), piece(), cut()]), ("short", vec![piece(), piece()])] {
        let failed = s3.put_object().bucket(BUCKET).key(key).body(stream(pieces, 300_000)).send().await;
        same(&format!("a stream that is {key} is not sent"), failed.is_err(), true)?;
        absent(s3, key).await?;
    }
    s3.put_object().bucket(BUCKET).key("old").body(ByteStream::from_static(b"old")).send().await?;
    let failed = s3.put_object().bucket(BUCKET).key("old").body(stream(vec![piece(), cut()], 300_000)).send().await;
    same("a stream over an object fails", failed.is_err(), true)?;
    same("which is as it was", body(s3, "old").await?.as_ref(), b"old".as_slice())?;
    // The CRC32 of `hello` is NhCmhg==.
    let whole = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    for (key, body, cut, wanted) in [
        ("whole", whole, false, "HTTP/1.1 200"),
        ("wrong-sum", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhw==\r\n\r\n", false, "<Code>BadDigest</Code>"),
        ("no-sum", "5\r\nhello\r\n0\r\n\r\n", false, "<Code>MalformedTrailerError</Code>"),
        ("no-end", "5\r\nhello\r\n", true, ""),
        ("half-chunk", "5\r\nhel", true, ""),
        ("bad-chunk", "5\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", false, "HTTP/1.1 400"),
        (
            "short-of-what-was-said",
            "4\r\nhell\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
            false,
            "<Code>IncompleteBody</Code>",
        ),
    ] {
        let answer = sent(
            cloud.address(),
            chunked(cloud, key, body, if cut { whole.len() } else { body.len() }).as_bytes(),
            cut,
        )
        .await?;
        same(
            &format!("aws-chunked, {key}: {wanted}"),
            answer.contains(wanted) && (wanted != "" || !answer.contains("200 OK")),
            true,
        )
        .map_err(|untrue| format!("{untrue}\n{answer}"))?;
        if key == "whole" {
            same("it is there", self::body(s3, key).await?.as_ref(), b"hello".as_slice())?
        } else {
            absent(s3, key).await?
        }
    }
    Ok(())
}

/// A PUT of five bytes in chunks, signed by the root user, whose signatures are not looked at.
fn chunked(cloud: &Cloud, key: &str, body: &str, length: usize) -> String {
    format!(
        "PUT /{BUCKET}/{key} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Encoding: aws-chunked\r\nContent-Length: {length}\r\n\
         x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\nx-amz-decoded-content-length: 5\r\n\
         x-amz-trailer: x-amz-checksum-crc32\r\nx-amz-date: {date}T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/{date}/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0\r\n\r\n{body}",
        cloud.address(),
        date = "20260101"
    )
}

async fn absent(s3: &Client, key: &str) -> Outcome {
    let error =
        refused(&format!("{key} is not there"), "NotFound", 404, s3.head_object().bucket(BUCKET).key(key).send())
            .await?;
    same("as a NotFound", error.is_not_found(), true)
}

async fn parts(s3: &Client) -> Outcome {
    let whole = noise(5 * 1024 * 1024 + 1000);
    let (first, last) = whole.split_at(5 * 1024 * 1024);
    let made = s3
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("parts")
        .checksum_algorithm(ChecksumAlgorithm::Crc32C)
        .send()
        .await?;
    let id = made.upload_id().unwrap_or_default();
    let mut done = Vec::new();
    for (number, bytes) in [(1, first), (2, last)] {
        let pieces = bytes.chunks(65_536).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let part = s3.upload_part().bucket(BUCKET).key("parts").upload_id(id).part_number(number);
        let part = part.checksum_algorithm(ChecksumAlgorithm::Crc32C).body(stream(pieces, bytes.len())).send().await?;
        // The answer to a trailer has the checksum, which completion is told.
        let sum = part.checksum_crc32_c().ok_or("a part without its checksum")?;
        let tag = part.e_tag().unwrap_or_default();
        done.push(CompletedPart::builder().part_number(number).e_tag(tag).checksum_crc32_c(sum).build());
    }
    let cut = stream(vec![Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("the source ended"))], 9);
    let failed = s3.upload_part().bucket(BUCKET).key("parts").upload_id(id).part_number(3).body(cut).send().await;
    same("a part that breaks off fails", failed.is_err(), true)?;
    eventually("and is not there", vec![1, 2], || async {
        let listed = s3.list_parts().bucket(BUCKET).key("parts").upload_id(id).send().await?;
        Ok(listed.parts().iter().filter_map(|part| part.part_number()).collect())
    })
    .await?;
    let all = CompletedMultipartUpload::builder().set_parts(Some(done)).build();
    let whole_of =
        s3.complete_multipart_upload().bucket(BUCKET).key("parts").upload_id(id).multipart_upload(all).send().await?;
    same("a checksum of checksums", whole_of.checksum_crc32_c().is_some_and(|sum| sum.ends_with("-2")), true)?;
    same("parts are one object", body(s3, "parts").await? == whole, true)?;
    let again = s3.list_parts().bucket(BUCKET).key("parts").upload_id(id).send();
    refused("the upload is over", "NoSuchUpload", 404, again).await.map(drop)
}

async fn files(s3: &Client) -> Outcome {
    let path = std::env::temp_dir().join(format!("undercast-rust-client-{}", std::process::id()));
    let bytes = noise(1_000_003);
    std::fs::write(&path, &bytes)?;
    let piece = ByteStream::read_from()
        .path(&path)
        .offset(1000)
        .length(aws_sdk_s3::primitives::Length::Exact(500_000))
        .build()
        .await?;
    s3.put_object().bucket(BUCKET).key("piece").body(piece).send().await?;
    s3.put_object().bucket(BUCKET).key("file").body(ByteStream::from_path(&path).await?).send().await?;
    std::fs::remove_file(&path)?;
    same("a file", body(s3, "file").await? == bytes, true)?;
    same("a piece of it", body(s3, "piece").await? == bytes[1000..501_000], true)?;
    let range = s3.get_object().bucket(BUCKET).key("file").range("bytes=999999-").send().await?;
    same(
        "its last bytes",
        range.content_range().map(ToOwned::to_owned),
        Some("bytes 999999-1000002/1000003".to_owned()),
    )?;
    same("are these", range.body.collect().await?.into_bytes() == bytes[999_999..], true)
}

async fn lists(s3: &Client) -> Outcome {
    let names = [
        "a b",
        "a+b",
        "a/b c/d",
        "a%2Fb",
        "ü & <é>",
        "..",
        "../x",
        "x/../y",
        "new\nline",
        "return\r",
        "\u{1F600}",
        "\u{E000}",
    ];
    for name in names {
        s3.put_object()
            .bucket(BUCKET)
            .key(format!("names/{name}"))
            .body(ByteStream::from(name.as_bytes().to_vec()))
            .send()
            .await?;
    }
    let mut wanted: Vec<String> = names.iter().map(|name| format!("names/{name}")).collect();
    wanted.sort();
    let pages = s3.list_objects_v2().bucket(BUCKET).prefix("names/").into_paginator().page_size(5).send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await?;
    let found: Vec<&str> = pages.iter().flat_map(|page| page.contents()).filter_map(|o| o.key()).collect();
    same(
        "names that need escaping, in the order of their bytes",
        found,
        wanted.iter().map(String::as_str).collect::<Vec<_>>(),
    )?;
    same("pages of five", pages.iter().map(|page| page.contents().len()).collect::<Vec<_>>(), vec![5, 5, 2])?;
    for name in names {
        same(
            &format!("a body by the name {name:?}"),
            body(s3, &format!("names/{name}")).await?.as_ref(),
            name.as_bytes(),
        )?;
    }
    let folders = s3
        .list_objects_v2()
        .bucket(BUCKET)
        .prefix("names/")
        .delimiter("/")
        .encoding_type(EncodingType::Url)
        .send()
        .await?;
    let prefixes: Vec<&str> = folders.common_prefixes().iter().filter_map(|p| p.prefix()).collect();
    same("folders, as the list encodes them", prefixes, vec!["names/../", "names/a/", "names/x/"])
}

async fn conditions(s3: &Client) -> Outcome {
    let put =
        |text: &'static str| s3.put_object().bucket(BUCKET).key("if").body(ByteStream::from_static(text.as_bytes()));
    let first = put("1").if_none_match("*").send().await?.e_tag.unwrap_or_default();
    refused("a second first write", "PreconditionFailed", 412, put("2").if_none_match("*").send()).await?;
    put("2").if_match(&first).send().await?;
    refused("a write over what is no more", "PreconditionFailed", 412, put("3").if_match(&first).send()).await?;
    same("the second is there", body(s3, "if").await?.as_ref(), b"2".as_slice())?;
    let missing = refused("a missing key", "NoSuchKey", 404, s3.get_object().bucket(BUCKET).key("no").send()).await?;
    same("as a NoSuchKey", matches!(missing, GetObjectError::NoSuchKey(_)), true)?;
    let bad =
        s3.put_object().bucket(BUCKET).key("bad").checksum_crc32("AAAAAA==").body(ByteStream::from_static(b"x")).send();
    refused("a wrong checksum", "BadDigest", 400, bad).await?;
    absent(s3, "bad").await?;
    let tables = s3.get_bucket_metadata_table_configuration().bucket(BUCKET).send();
    refused("what is not built", "NotImplemented", 501, tables).await.map(drop)
}

async fn presigned(cloud: &Cloud, s3: &Client) -> Outcome {
    let keys = user(cloud, "rust-signer", "s3:*").await?;
    let signer = cloud.s3_as(keys);
    let minute = || PresigningConfig::expires_in(Duration::from_secs(60));
    let put = signer.put_object().bucket(BUCKET).key("signed ü+").content_type("a/b").presigned(minute()?).await?;
    let headers: Vec<(&str, &str)> = put.headers().collect();
    let answer = fetched(cloud.address(), "PUT", put.uri(), &headers, "by URL").await?;
    same("a presigned PUT", answer.0, 200)?;
    same("what it put", body(s3, "signed ü+").await?.as_ref(), b"by URL".as_slice())?;
    let get = signer.get_object().bucket(BUCKET).key("signed ü+").presigned(minute()?).await?;
    same("a presigned GET", fetched(cloud.address(), "GET", get.uri(), &[], "").await?, (200, "by URL".to_owned()))?;
    let other = get.uri().replace("signed", "file");
    same("for another key", fetched(cloud.address(), "GET", &other, &[], "").await?.0, 403)?;
    same("for another method", fetched(cloud.address(), "DELETE", get.uri(), &[], "").await?.0, 403)
}

async fn selected(s3: &Client) -> Outcome {
    let table = ByteStream::from_static(b"id,name\n1,Ann\n2,Bob\n");
    s3.put_object().bucket(BUCKET).key("people.csv").body(table).send().await?;
    let given = CsvInput::builder().file_header_info(FileHeaderInfo::Use).build();
    let asked = s3.select_object_content().bucket(BUCKET).key("people.csv").expression_type(ExpressionType::Sql);
    let asked = asked.expression("SELECT s.name FROM S3Object s WHERE s.id = 2");
    let asked = asked.input_serialization(InputSerialization::builder().csv(given).build());
    let asked = asked.output_serialization(OutputSerialization::builder().csv(CsvOutput::builder().build()).build());
    let mut answer = asked.send().await?;
    let (mut rows, mut ended) = (Vec::new(), false);
    while let Some(event) = answer.payload.recv().await? {
        match event {
            SelectObjectContentEventStream::Records(records) => {
                rows.extend(records.payload.map(|payload| payload.into_inner()).unwrap_or_default());
            }
            SelectObjectContentEventStream::End(_) => ended = true,
            _ => {}
        }
    }
    same("records by select_object_content, to the end", (String::from_utf8(rows)?, ended), ("Bob\n".to_owned(), true))
}

async fn versions(s3: &Client) -> Outcome {
    let bucket = "rust-versions";
    s3.create_bucket().bucket(bucket).send().await?;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    s3.put_bucket_versioning().bucket(bucket).versioning_configuration(enabled).send().await?;
    for text in ["1", "2"] {
        s3.put_object().bucket(bucket).key("k").body(ByteStream::from_static(text.as_bytes())).send().await?;
    }
    let cut = stream(vec![Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("the source ended"))], 9);
    let failed = s3.put_object().bucket(bucket).key("k").body(cut).send().await;
    same("a version that breaks off fails", failed.is_err(), true)?;
    s3.delete_object().bucket(bucket).key("k").send().await?;
    let listed = s3.list_object_versions().bucket(bucket).send().await?;
    same("two versions and a marker", (listed.versions().len(), listed.delete_markers().len()), (2, 1))?;
    let first = listed.versions()[1].version_id().unwrap_or_default();
    let got = s3.get_object().bucket(bucket).key("k").version_id(first).send().await?;
    same("the first version", got.body.collect().await?.into_bytes().as_ref(), b"1".as_slice())?;
    let marker = listed.delete_markers()[0].version_id().unwrap_or_default();
    let get = s3.get_object().bucket(bucket).key("k").version_id(marker).send();
    refused("the marker has no body", "MethodNotAllowed", 405, get).await?;
    let ids =
        listed.versions().iter().map(|v| v.version_id()).chain(listed.delete_markers().iter().map(|m| m.version_id()));
    for id in ids {
        s3.delete_object().bucket(bucket).key("k").set_version_id(id.map(ToOwned::to_owned)).send().await?;
    }
    s3.delete_bucket().bucket(bucket).send().await?;
    Ok(())
}

/// The bucket in the name of the host, through a proxy's form of the request, which names the host in its line.
async fn virtual_hosts(cloud: &Cloud) -> Outcome {
    for host in ["localhost", "s3.localhost"] {
        let s3 = cloud.s3_by_host(host);
        let key = format!("by {host} ü/../k");
        s3.put_object().bucket(BUCKET).key(&key).body(ByteStream::from_static(b"virtual")).send().await?;
        let found = body(&cloud.s3(), &key).await?;
        same(&format!("a bucket before {host}"), found.as_ref(), b"virtual".as_slice())?;
        let listed = s3.list_objects_v2().bucket(BUCKET).prefix(format!("by {host}")).send().await?;
        same("its list", listed.contents().iter().filter_map(|o| o.key()).collect::<Vec<_>>(), vec![key.as_str()])?;
    }
    Ok(())
}
