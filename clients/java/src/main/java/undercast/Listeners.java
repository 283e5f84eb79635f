package undercast;

import static undercast.Check.eventually;
import static undercast.Check.same;

import io.awspring.cloud.sqs.annotation.SqsListener;
import io.awspring.cloud.sqs.config.SqsBootstrapConfiguration;
import io.awspring.cloud.sqs.config.SqsMessageListenerContainerFactory;
import io.awspring.cloud.sqs.operations.SqsTemplate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.messaging.handler.annotation.Header;
import software.amazon.awssdk.services.sqs.SqsAsyncClient;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;

/** Spring Cloud AWS: methods that are called with the messages of queues. */
final class Listeners {
    private static final SqsAsyncClient sqs = Cloud.client(SqsAsyncClient.builder());
    private static final List<String> taken = Collections.synchronizedList(new ArrayList<>());
    private static final Map<String, List<String>> groups = new ConcurrentHashMap<>();
    private static final List<String> counts = Collections.synchronizedList(new ArrayList<>());

    private Listeners() {}

    @Configuration
    @Import(SqsBootstrapConfiguration.class)
    static class Application {
        @Bean
        SqsMessageListenerContainerFactory<Object> defaultSqsListenerContainerFactory() {
            return SqsMessageListenerContainerFactory.builder().sqsAsyncClient(sqs)
                .configure(o -> o.pollTimeout(Duration.ofSeconds(1)).listenerShutdownTimeout(Duration.ofSeconds(2)))
                .build();
        }

        @Bean
        Methods methods() {
            return new Methods();
        }
    }

    static class Methods {
        @SqsListener("java-spring")
        public void one(String body) {
            taken.add(body);
        }

        /** Fails the first time; then the message is seen again after a second. */
        @SqsListener(value = "java-spring-again", messageVisibilitySeconds = "1")
        public void again(String body, @Header("Sqs_Msa_ApproximateReceiveCount") String count) {
            counts.add(count);
            if (counts.size() < 3) {
                throw new IllegalStateException("on purpose");
            }
        }

        @SqsListener("java-spring.fifo")
        public void ordered(String body, @Header("Sqs_Msa_MessageGroupId") String group) {
            groups.computeIfAbsent(group, g -> Collections.synchronizedList(new ArrayList<>())).add(body);
        }
    }

    static void run() throws Exception {
        for (var name : List.of("java-spring", "java-spring-again")) {
            sqs.createQueue(q -> q.queueName(name)).join();
        }
        sqs.createQueue(q -> q.queueName("java-spring.fifo").attributes(Map.of(
            QueueAttributeName.FIFO_QUEUE, "true", QueueAttributeName.CONTENT_BASED_DEDUPLICATION, "true"))).join();
        try (var context = new AnnotationConfigApplicationContext(Application.class)) {
            var template = SqsTemplate.newTemplate(sqs);
            for (int n = 0; n < 30; n++) {
                template.send("java-spring", "message " + n);
            }
            eventually("a listener is called with each message",
                IntStream.range(0, 30).mapToObj(n -> "message " + n).sorted().toList(),
                () -> List.copyOf(taken).stream().sorted().toList());
            eventually("what went well is deleted", 0, () -> left("java-spring"));
            template.send("java-spring-again", "stumbles");
            eventually("what failed comes again, and is counted", List.of("1", "2", "3"), () -> List.copyOf(counts));
            eventually("until it goes well", 0, () -> left("java-spring-again"));
            for (int n = 0; n < 10; n++) {
                int number = n;
                template.send(to -> to.queue("java-spring.fifo").payload("" + number).messageGroupId("group-" + number % 2));
            }
            eventually("each group in its order", Map.of("group-0", List.of("0", "2", "4", "6", "8"), "group-1", List.of("1", "3", "5", "7", "9")),
                () -> Map.copyOf(groups));
        }
        same("none came twice", taken.size(), 30);
    }

    /** Messages that wait, and that somebody has. */
    private static int left(String queue) {
        var names = List.of(QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES, QueueAttributeName.APPROXIMATE_NUMBER_OF_MESSAGES_NOT_VISIBLE);
        var url = sqs.getQueueUrl(q -> q.queueName(queue)).join().queueUrl();
        var found = sqs.getQueueAttributes(q -> q.queueUrl(url).attributeNames(names)).join().attributes();
        return found.values().stream().mapToInt(Integer::parseInt).sum();
    }
}
