package undercast;

import java.net.URI;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.iam.IamClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;

/** Clients of the cloud at AWS_ENDPOINT_URL. */
final class Cloud {
    static final URI ENDPOINT = URI.create(System.getenv("AWS_ENDPOINT_URL"));
    static final Region REGION = Region.US_EAST_1;
    static final AwsCredentials ROOT = AwsBasicCredentials.create("test", "test");
    static final String ACCOUNT = "000000000000";

    private Cloud() {}

    static StaticCredentialsProvider keys(AwsCredentials credentials) {
        return StaticCredentialsProvider.create(credentials);
    }

    /** The client of a service, which asks once. */
    static <B extends AwsClientBuilder<B, C>, C> C client(B builder) {
        return client(builder, ROOT);
    }

    static <B extends AwsClientBuilder<B, C>, C> C client(B builder, AwsCredentials credentials) {
        return builder
            .endpointOverride(ENDPOINT)
            .region(REGION)
            .credentialsProvider(keys(credentials))
            .overrideConfiguration(o -> o.retryStrategy(DefaultRetryStrategy.doNotRetry()))
            .build();
    }

    static S3ClientBuilder buckets() {
        return S3Client.builder().forcePathStyle(true);
    }

    /** Keys of a new user who may do this. */
    static AwsCredentials user(String name, String action) {
        var iam = client(IamClient.builder());
        iam.createUser(u -> u.userName(name));
        iam.waiter().waitUntilUserExists(u -> u.userName(name));
        iam.putUserPolicy(p -> p.userName(name).policyName("may").policyDocument(allow(action)));
        var key = iam.createAccessKey(k -> k.userName(name)).accessKey();
        return AwsBasicCredentials.create(key.accessKeyId(), key.secretAccessKey());
    }

    static String policy(String statement) {
        return "{\"Version\":\"2012-10-17\",\"Statement\":[" + statement + "]}";
    }

    static String allow(String action) {
        return policy("{\"Effect\":\"Allow\",\"Action\":\"" + action + "\",\"Resource\":\"*\"}");
    }

    /** The endpoint under another name of this machine. */
    static URI named(String host) {
        return URI.create("http://" + host + ":" + ENDPOINT.getPort());
    }
}
