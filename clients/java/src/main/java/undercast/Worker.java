package undercast;

import java.util.UUID;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/** A worker of the Kinesis Client Library in a process of its own: it says each record that it was given. */
public final class Worker {
    private Worker() {}

    /** Arguments: the stream, the application, the worker, and `polling` or `pushed`. */
    public static void main(String[] arguments) {
        var stream = arguments[0];
        var kinesis = KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder()
            .endpointOverride(Cloud.ENDPOINT).region(Cloud.REGION).credentialsProvider(Cloud.keys(Cloud.ROOT)));
        var configs = new ConfigsBuilder(stream, arguments[1], kinesis, Cloud.client(DynamoDbAsyncClient.builder()),
            Cloud.client(CloudWatchAsyncClient.builder()), arguments[2] + "-" + UUID.randomUUID(), () -> new Processor(arguments[2]));
        var leases = configs.leaseManagementConfig().failoverTimeMillis(2000).shardSyncIntervalMillis(2000).leasesRecoveryAuditorExecutionFrequencyMillis(1000)
            .initialPositionInStream(InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON));
        leases.workerUtilizationAwareAssignmentConfig().disableWorkerMetrics(true).workerMetricsReporterFreqInMillis(1000)
            .inMemoryWorkerMetricsCaptureFrequencyMillis(500);
        var specific = arguments[3].equals("polling")
            ? new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(250)
            : new FanOutConfig(kinesis).streamName(stream).applicationName(arguments[1]);
        var scheduler = new Scheduler(configs.checkpointConfig(),
            configs.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(100),
            leases, configs.lifecycleConfig(), configs.metricsConfig().metricsFactory(new NullMetricsFactory()), configs.processorConfig(),
            configs.retrievalConfig().retrievalSpecificConfig(specific)
                .initialPositionInStreamExtended(InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)));
        scheduler.run();
        System.exit(0);
    }

    private static final class Processor implements ShardRecordProcessor {
        private final String worker;
        private String shard;

        Processor(String worker) {
            this.worker = worker;
        }

        private void say(String what, String more) {
            System.out.println(worker + " " + what + " " + shard + " " + more);
            System.out.flush();
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            say("begins", "-");
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            input.records().forEach(record -> {
                var bytes = new byte[record.data().remaining()];
                record.data().duplicate().get(bytes);
                var text = new String(bytes, java.nio.charset.StandardCharsets.UTF_8);
                say("record", text);
            });
            try {
                input.checkpointer().checkpoint();
            } catch (Exception lost) {
                say("lost", lost.getClass().getSimpleName());
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            say("loses", "-");
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            say("ends", "-");
            try {
                input.checkpointer().checkpoint();
            } catch (Exception lost) {
                say("lost", lost.getClass().getSimpleName());
            }
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            say("shuts", "-");
        }
    }
}
