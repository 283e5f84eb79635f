// Writes what was searched for to a bucket: one file of JSON lines a batch, by date.

import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const s3 = new S3Client({ forcePathStyle: true });

export async function handler(event, context) {
  const byDate = new Map();
  for (const record of event.Records) {
    const told = JSON.parse(record.body);
    const date = new Date(told.time * 1000).toISOString().slice(0, 10);
    byDate.set(date, [...(byDate.get(date) ?? []), JSON.stringify(told)]);
  }
  for (const [date, lines] of byDate) {
    const Key = `queries/dt=${date}/${context.awsRequestId}.jsonl`;
    await s3.send(new PutObjectCommand({ Bucket: process.env.QUERIES, Key, Body: lines.join("\n") + "\n", ContentType: "application/jsonl" }));
  }
  console.log(`${event.Records.length} queries recorded`);
}
