package undercast;

import static undercast.Check.eventually;
import static undercast.Check.refused;
import static undercast.Check.same;
import static undercast.Check.until;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** Data streams as this SDK speaks to them: in CBOR, and over HTTP/2 where records are pushed. */
final class Streams {
    static final String STREAM = "java";
    private static final KinesisClient kinesis = Cloud.client(KinesisClient.builder());
    private static final KinesisAsyncClient pushed = Cloud.client(KinesisAsyncClient.builder());

    private Streams() {}

    static void run() throws Exception {
        kinesis.createStream(s -> s.streamName(STREAM).shardCount(2));
        kinesis.waiter().waitUntilStreamExists(s -> s.streamName(STREAM));
        records();
        subscription();
        kinesis.deleteStream(s -> s.streamName(STREAM).enforceConsumerDeletion(true));
        kinesis.waiter().waitUntilStreamNotExists(s -> s.streamName(STREAM));
    }

    private static void records() {
        var entries = IntStream.range(0, 20)
            .mapToObj(n -> PutRecordsRequestEntry.builder().partitionKey("key-" + n).data(SdkBytes.fromUtf8String("record " + n)).build())
            .toList();
        var put = kinesis.putRecords(p -> p.streamName(STREAM).records(entries));
        same("all records are taken", put.failedRecordCount(), 0);
        long read = 0;
        for (var shard : kinesis.listShards(s -> s.streamName(STREAM)).shards()) {
            var iterator = kinesis.getShardIterator(i -> i.streamName(STREAM).shardId(shard.shardId()).shardIteratorType(ShardIteratorType.TRIM_HORIZON));
            var got = kinesis.getRecords(g -> g.shardIterator(iterator.shardIterator()));
            for (Record record : got.records()) {
                read++;
                var age = Duration.between(record.approximateArrivalTimestamp(), java.time.Instant.now());
                same("a record came just now", age.abs().toMinutes() < 5, true);
            }
            same("a reader has come to the end", got.millisBehindLatest(), 0L);
        }
        same("all records are read", read, 20L);
        refused("a stream that is not there", ResourceNotFoundException.class, "ResourceNotFoundException", 400,
            () -> kinesis.describeStreamSummary(d -> d.streamName("nobody")));
        refused("an iterator that is none", InvalidArgumentException.class, "InvalidArgumentException", 400,
            () -> kinesis.getRecords(g -> g.shardIterator("nonsense")));
        var at = java.time.Instant.now().minus(Duration.ofMinutes(1));
        var iterator = kinesis.getShardIterator(i -> i.streamName(STREAM).shardId("shardId-000000000000")
            .shardIteratorType(ShardIteratorType.AT_TIMESTAMP).timestamp(at));
        same("from a moment on", kinesis.getRecords(g -> g.shardIterator(iterator.shardIterator())).records().isEmpty(), false);
    }

    /** Records are pushed as they come, until the shard ends. */
    private static void subscription() throws Exception {
        var arn = kinesis.describeStreamSummary(d -> d.streamName(STREAM)).streamDescriptionSummary().streamARN();
        var consumer = kinesis.registerStreamConsumer(r -> r.streamARN(arn).consumerName("pushed")).consumer().consumerARN();
        eventually("a consumer is made", ConsumerStatus.ACTIVE,
            () -> kinesis.describeStreamConsumer(d -> d.consumerARN(consumer)).consumerDescription().consumerStatus());
        var seen = new ConcurrentLinkedQueue<SubscribeToShardEvent>();
        var handler = SubscribeToShardResponseHandler.builder()
            .subscriber(SubscribeToShardResponseHandler.Visitor.builder().onSubscribeToShardEvent(seen::add).build())
            .build();
        CompletableFuture<Void> done = pushed.subscribeToShard(s -> s.consumerARN(consumer).shardId("shardId-000000000000")
            .startingPosition(p -> p.type(ShardIteratorType.LATEST)), handler);
        until("a subscription begins", 10, seen::size, size -> size > 0);
        kinesis.putRecord(p -> p.streamName(STREAM).partitionKey("k").explicitHashKey("0").data(SdkBytes.fromUtf8String("pushed")));
        eventually("a record is pushed", List.of("pushed"), () -> texts(seen));
        kinesis.updateShardCount(u -> u.streamName(STREAM).targetShardCount(4).scalingType(ScalingType.UNIFORM_SCALING));
        done.get(20, TimeUnit.SECONDS);
        var last = seen.stream().reduce((first, second) -> second).orElseThrow();
        same("a shard's end names its children", last.childShards().size(), 2);
        same("and nothing to go on from", last.continuationSequenceNumber(), null);
    }

    private static List<String> texts(Iterable<SubscribeToShardEvent> events) {
        var all = new java.util.ArrayList<String>();
        events.forEach(event -> event.records().forEach(record -> all.add(record.data().asUtf8String())));
        return all;
    }
}
