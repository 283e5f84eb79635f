#!/bin/bash
# The AWS CLI as a person meets it, against the running cloud at AWS_ENDPOINT_URL. Ends at the first untrue thing.
# Version 1 ends with 255 where AWS refused, version 2 with 254; this is for version 1.
#
# Needs `aws`, `python` and `curl` on the PATH, and PYTHON_RUNTIME, as a function's runtime is called.
set -uo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

# Version 1 does not look at AWS_ENDPOINT_URL for a few services (SQS is one), so each call names it.
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }

identity() {
    is "sts get-caller-identity says the account" 000000000000 \
        aws sts get-caller-identity --query Account --output text
    is "keys that are an account's number are its root user" "111122223333 arn:aws:iam::111122223333:root" \
        env AWS_ACCESS_KEY_ID=111122223333 bash -c \
        'set -o pipefail; aws --endpoint-url "$AWS_ENDPOINT_URL" sts get-caller-identity --query "[Account,Arn]" --output text | tr "\t" " "'
}

buckets() {
    head -c 20000000 /dev/urandom >"$work/large"
    mkdir -p "$work/tree/deep" "$work/back"
    echo one >"$work/tree/one.txt"
    echo "two words" >"$work/tree/deep/a name with spaces + plus.txt"
    echo "ümläut" >"$work/tree/ü.txt"

    is "s3 mb" "make_bucket: cli-bucket" aws s3 mb s3://cli-bucket
    does "s3 cp of 20 MB, in parts" aws s3 cp "$work/large" s3://cli-bucket/large --only-show-errors
    does "head-object of what came in parts" aws s3api head-object --bucket cli-bucket --key large --query \
        '[ContentLength,ETag]' --output text
    [[ $out =~ ^20000000$'\t'\"[0-9a-f]{32}-3\"$ ]] || untrue "its length and the ETag of three parts" "$out"
    held "its length and the ETag of three parts"
    does "s3 cp back" aws s3 cp s3://cli-bucket/large "$work/large.back" --only-show-errors
    does "the 20 MB are the same" cmp "$work/large" "$work/large.back"
    is "a range of it" "$(tail -c +5000001 "$work/large" | head -c 1000 | md5sum)" bash -c \
        'aws --endpoint-url "$AWS_ENDPOINT_URL" s3api get-object --bucket cli-bucket --key large \
         --range bytes=5000000-5000999 "$0" >/dev/null && md5sum <"$0"' "$work/range"

    does "s3 sync up" aws s3 sync "$work/tree" s3://cli-bucket/tree
    is "s3 sync again has nothing to do" "" aws s3 sync "$work/tree" s3://cli-bucket/tree
    does "s3 sync down" aws s3 sync s3://cli-bucket/tree "$work/back" --only-show-errors
    does "the trees are the same" diff -r "$work/tree" "$work/back"
    is "s3 ls --recursive names them" "large
tree/deep/a name with spaces + plus.txt
tree/one.txt
tree/ü.txt" bash -c 'set -o pipefail; aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls s3://cli-bucket --recursive | cut -c32-'
    is "s3 ls of a folder tells prefixes from objects" "PRE deep/
one.txt
ü.txt" bash -c \
        'set -o pipefail; aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls s3://cli-bucket/tree/ | sed -E "s/^ +PRE/PRE/; s/^[0-9: -]{19} +[0-9]+ //"'
    rm "$work/tree/one.txt"
    does "s3 sync --delete" aws s3 sync "$work/tree" s3://cli-bucket/tree --delete
    refused "what it deleted is gone" 255 "(404)" aws s3api head-object --bucket cli-bucket --key tree/one.txt

    copies_and_moves

    local url
    url=$(aws s3 presign s3://cli-bucket/tree/ü.txt --expires-in 60)
    is "a presigned URL by curl" "ümläut" curl -sS --fail "$url"
    is "a key that is not there by a presigned URL" 404 status "$(aws s3 presign s3://cli-bucket/nothing)"
    signed_urls

    printf 'id,name\n1,Ann\n2,Bob\n' | aws s3 cp - s3://cli-bucket/people.csv
    is "s3api select-object-content" Bob bash -c 'aws --endpoint-url "$AWS_ENDPOINT_URL" s3api select-object-content \
        --bucket cli-bucket --key people.csv --expression-type SQL --input-serialization CSV={FileHeaderInfo=USE} \
        --output-serialization CSV={} --expression "SELECT s.name FROM S3Object s WHERE s.id = 2" "$0" && cat "$0"' "$work/selected"

    refused "a bucket that is not empty is not removed" 1 BucketNotEmpty aws s3 rb s3://cli-bucket
    refused "a bucket that is not there" 255 NoSuchBucket aws s3api list-objects-v2 --bucket cli-bucket-that-is-not
    does "s3 rm --recursive" aws s3 rm s3://cli-bucket --recursive
    is "s3 rb" "remove_bucket: cli-bucket" aws s3 rb s3://cli-bucket
    refused "it is gone" 255 "(404)" aws s3api head-bucket --bucket cli-bucket
}

copies_and_moves() {
    does "s3 cp from bucket to bucket, in parts" aws s3 cp s3://cli-bucket/large s3://cli-bucket/moved/large --only-show-errors \
        --storage-class STANDARD_IA
    is "what it copied" "20000000	STANDARD_IA" aws s3api head-object --bucket cli-bucket --key moved/large --output text \
        --query '[ContentLength,StorageClass]'
    echo first >"$work/first.txt"
    echo "<p>" >"$work/page.html"
    does "s3 cp with what is said of it" aws s3 cp "$work/page.html" "s3://cli-bucket/moved/a page.html" --only-show-errors \
        --cache-control max-age=60 --metadata colour=blue --checksum-algorithm SHA256 --sse aws:kms
    is "its head" "text/html	max-age=60	blue	aws:kms	FULL_OBJECT" aws s3api head-object --bucket cli-bucket \
        --key "moved/a page.html" --checksum-mode ENABLED --output text \
        --query '[ContentType,CacheControl,Metadata.colour,ServerSideEncryption,ChecksumType]'
    does "s3 mv up" aws s3 mv "$work/first.txt" s3://cli-bucket/moved/first.txt --only-show-errors
    does "the file is gone" test ! -e "$work/first.txt"
    does "s3 mv from key to key" aws s3 mv s3://cli-bucket/moved/first.txt "s3://cli-bucket/moved/é+ %.txt" --only-show-errors
    refused "the key is gone" 255 "(404)" aws s3api head-object --bucket cli-bucket --key moved/first.txt
    is "s3 cp to standard output" first aws s3 cp "s3://cli-bucket/moved/é+ %.txt" -
    does "s3 cp --recursive of some" aws s3 cp s3://cli-bucket/moved "$work/some" --recursive --exclude '*' --include '*.txt' \
        --only-show-errors
    is "those are down" "é+ %.txt" ls "$work/some"
    is "s3 ls --summarize" "Total Objects: 3 Total Size: 20000010" bash -c 'set -o pipefail; aws --endpoint-url "$AWS_ENDPOINT_URL" \
        s3 ls s3://cli-bucket/moved/ --recursive --summarize | grep Total | sed -E "s/^ +//" | paste -sd " "'
    is "s3 sync with --size-only has nothing to do" "" aws s3 sync s3://cli-bucket/tree s3://cli-bucket/tree --size-only
    is "s3 sync from bucket to bucket says what it would do" "(dryrun) copy: s3://cli-bucket/tree/ü.txt to s3://cli-bucket/other/ü.txt" \
        aws s3 sync s3://cli-bucket/tree s3://cli-bucket/other --exclude 'deep/*' --dryrun
    does "s3 website" aws s3 website s3://cli-bucket --index-document index.html --error-document error.html
    is "it is said of the bucket" "index.html	error.html" aws s3api get-bucket-website --bucket cli-bucket --output text \
        --query '[IndexDocument.Suffix,ErrorDocument.Key]'
    is "s3 mb in another region" "make_bucket: cli-abroad" aws s3 mb s3://cli-abroad --region eu-west-1
    does "s3 cp into it" aws s3 cp "$work/page.html" s3://cli-abroad/page --region eu-west-1 --only-show-errors
    does "s3 cp from there" aws s3 cp s3://cli-abroad/page s3://cli-bucket/moved/page --source-region eu-west-1 --only-show-errors
    is "s3 rb --force" "delete: s3://cli-abroad/page
remove_bucket: cli-abroad" aws s3 rb s3://cli-abroad --force --region eu-west-1
    does "s3 mv down" aws s3 mv "s3://cli-bucket/moved/é+ %.txt" "$work/down.txt" --only-show-errors
    is "what it moved" first cat "$work/down.txt"
    is "s3 rm" "delete: s3://cli-bucket/moved/page" aws s3 rm s3://cli-bucket/moved/page
    refused "both keys are gone" 255 "(404)" aws s3api head-object --bucket cli-bucket --key moved/page
    does "s3 rm --recursive of a folder" aws s3 rm s3://cli-bucket/moved --recursive --only-show-errors
    is "nothing of it is left" None aws s3api list-objects-v2 --bucket cli-bucket --prefix moved/ --query Contents --output text
    refused "s3 ls of a bucket that is not there" 255 NoSuchBucket aws s3 ls s3://cli-none
}

# The status of a GET.
status() { curl -sS -o /dev/null -w '%{http_code}' "$1"; }

# Keys that are issued here are verified, in URLs too.
signed_urls() {
    does "iam create-user" aws iam create-user --user-name cli-signer
    does "its policy" aws iam put-user-policy --user-name cli-signer --policy-name tree \
        --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::cli-bucket/tree/*"}]}'
    does "iam create-access-key" aws iam create-access-key --user-name cli-signer --output text \
        --query 'AccessKey.[AccessKeyId,SecretAccessKey]'
    local key secret url
    read -r key secret <<<"$out"
    local as=(env "AWS_ACCESS_KEY_ID=$key" "AWS_SECRET_ACCESS_KEY=$secret" aws --endpoint-url "$AWS_ENDPOINT_URL")
    url=$("${as[@]}" s3 presign s3://cli-bucket/tree/ü.txt --expires-in 60)
    is "a URL that a user signed" "ümläut" curl -sS --fail "$url"
    is "the same URL for another key" 403 status "${url/\/tree\//\/tree\/deep\/}"
    is "the same URL said to expire later" 403 status "$(sed -E 's/(Expires=)[0-9]+/\11999999999/' <<<"$url")"
    is "a URL for what the user may not read" 403 status "$("${as[@]}" s3 presign s3://cli-bucket/large)"
    url=$("${as[@]}" s3 presign s3://cli-bucket/tree/ü.txt --expires-in 1)
    sleep 2
    is "a URL that has expired" 403 status "$url"
    does "iam delete-access-key" aws iam delete-access-key --user-name cli-signer --access-key-id "$key"
    is "a URL of keys that are no more" 403 status "$("${as[@]}" s3 presign s3://cli-bucket/tree/ü.txt)"
}

queues() {
    does "sqs create-queue" aws sqs create-queue --queue-name cli-queue --query QueueUrl --output text
    local queue=$out
    does "sqs send-message" aws sqs send-message --queue-url "$queue" --message-body "hello there" \
        --message-attributes 'colour={DataType=String,StringValue=blue}' --query MD5OfMessageBody --output text
    [ "$out" = "$(printf 'hello there' | md5sum | cut -d' ' -f1)" ] || untrue "the MD5 is the body's" "$out"
    held "the MD5 is the body's"
    does "sqs receive-message" aws sqs receive-message --queue-url "$queue" --message-attribute-names All \
        --query 'Messages[0].[ReceiptHandle,Body,MessageAttributes.colour.StringValue]' --output text
    [ "$(cut -f2- <<<"$out")" = "hello there"$'\t'blue ] || untrue "the body and the attribute" "$out"
    held "the body and the attribute"
    local receipt
    receipt=$(cut -f1 <<<"$out")
    is "while it is in flight nobody else gets it" "" aws sqs receive-message --queue-url "$queue"
    does "sqs delete-message" aws sqs delete-message --queue-url "$queue" --receipt-handle "$receipt"
    is "sqs get-queue-attributes counts none" "0	0" aws sqs get-queue-attributes --queue-url "$queue" \
        --attribute-names All --output text --query \
        'Attributes.[ApproximateNumberOfMessages,ApproximateNumberOfMessagesNotVisible]'

    does "sqs create-queue FIFO" aws sqs create-queue --queue-name cli-queue.fifo \
        --attributes FifoQueue=true,ContentBasedDeduplication=true --query QueueUrl --output text
    local fifo=$out body
    for body in 1 2 2 3; do
        does "sqs send-message FIFO $body" aws sqs send-message --queue-url "$fifo" --message-group-id g --message-body $body
    done
    is "in order, and the same message once" "1	2	3" aws sqs receive-message --queue-url "$fifo" \
        --max-number-of-messages 10 --query 'Messages[].Body' --output text
    refused "a FIFO message without a group" 255 MissingParameter aws sqs send-message --queue-url "$fifo" --message-body x
    refused "a queue that is not there" 255 NonExistentQueue aws sqs get-queue-url --queue-name cli-no-queue
}

topics() {
    local queue arn topic
    does "sqs create-queue for a topic" aws sqs create-queue --queue-name cli-inbox --query QueueUrl --output text
    queue=$out
    arn=$(aws sqs get-queue-attributes --queue-url "$queue" --attribute-names QueueArn --query Attributes.QueueArn --output text)
    does "sns create-topic" aws sns create-topic --name cli-topic --query TopicArn --output text
    topic=$out
    cat >"$work/attributes.json" <<END
{"Policy": "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"sns.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"$arn\",\"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":\"$topic\"}}}]}"}
END
    does "the queue lets the topic in" aws sqs set-queue-attributes --queue-url "$queue" --attributes "file://$work/attributes.json"
    does "sns subscribe" aws sns subscribe --topic-arn "$topic" --protocol sqs --notification-endpoint "$arn"
    does "sns publish" aws sns publish --topic-arn "$topic" --subject news --message "to whom it may concern" --query MessageId --output text
    local id=$out
    does "the queue receives it" aws sqs receive-message --queue-url "$queue" --wait-time-seconds 10 --query 'Messages[0].Body' --output text
    echo "$out" >"$work/envelope"
    is "as an envelope of Type, MessageId, TopicArn, Subject and Message" \
        "Notification $id $topic news to whom it may concern" python -c \
        'import json, sys; e = json.load(open(sys.argv[1])); print(*(e[k] for k in ["Type", "MessageId", "TopicArn", "Subject", "Message"]))' \
        "$work/envelope"
    does "sns delete-topic" aws sns delete-topic --topic-arn "$topic"
    refused "publishing to it" 255 NotFound aws sns publish --topic-arn "$topic" --message x
}

tables() {
    does "dynamodb create-table" aws dynamodb create-table --table-name cli-table --billing-mode PAY_PER_REQUEST \
        --attribute-definitions AttributeName=who,AttributeType=S AttributeName=at,AttributeType=N \
        --key-schema AttributeName=who,KeyType=HASH AttributeName=at,KeyType=RANGE
    does "dynamodb wait table-exists" aws dynamodb wait table-exists --table-name cli-table
    local at
    for at in 3 10 2; do
        does "dynamodb put-item $at" aws dynamodb put-item --table-name cli-table --item \
            "{\"who\":{\"S\":\"ann\"},\"at\":{\"N\":\"$at\"},\"what\":{\"L\":[{\"S\":\"x\"},{\"BOOL\":true},{\"NULL\":true}]}}"
    done
    is "dynamodb query, in the order of numbers" "2	3	10" aws dynamodb query --table-name cli-table \
        --key-condition-expression 'who = :w' --expression-attribute-values '{":w":{"S":"ann"}}' \
        --query 'Items[].at.N' --output text
    # As text, `--query` would be asked of each page by itself.
    is "dynamodb query of a range, page by page" '"10,3"' aws dynamodb query --table-name cli-table --page-size 1 \
        --no-scan-index-forward --key-condition-expression 'who = :w AND #at > :two' \
        --expression-attribute-names '{"#at":"at"}' --expression-attribute-values '{":w":{"S":"ann"},":two":{"N":"2"}}' \
        --query 'join(`,`, Items[].at.N)' --output json
    refused "a condition that fails" 255 ConditionalCheckFailedException aws dynamodb put-item --table-name cli-table \
        --item '{"who":{"S":"ann"},"at":{"N":"3"}}' --condition-expression 'attribute_not_exists(who)'
    is "what was there is still there" "x" aws dynamodb get-item --table-name cli-table \
        --key '{"who":{"S":"ann"},"at":{"N":"3"}}' --query 'Item.what.L[0].S' --output text
    does "dynamodb delete-table" aws dynamodb delete-table --table-name cli-table
    does "dynamodb wait table-not-exists" aws dynamodb wait table-not-exists --table-name cli-table
    refused "the table is gone" 255 ResourceNotFoundException aws dynamodb describe-table --table-name cli-table
}

roles() {
    does "iam create-role" aws iam create-role --role-name cli-role --query Role.Arn --output text \
        --assume-role-policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}'
    local role=$out
    does "iam put-role-policy" aws iam put-role-policy --role-name cli-role --policy-name see \
        --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:ListQueues","Resource":"*"}]}'
    refused "sts assume-role by the root user" 255 "Roles may not be assumed by root accounts" \
        aws sts assume-role --role-arn "$role" --role-session-name visit
    does "iam create-user" aws iam create-user --user-name cli-visitor
    does "its policy" aws iam put-user-policy --user-name cli-visitor --policy-name visit \
        --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}'
    does "its access key" aws iam create-access-key --user-name cli-visitor --output text \
        --query 'AccessKey.[AccessKeyId,SecretAccessKey]'
    local key secret token
    read -r key secret <<<"$out"
    does "sts assume-role" env "AWS_ACCESS_KEY_ID=$key" "AWS_SECRET_ACCESS_KEY=$secret" \
        aws --endpoint-url "$AWS_ENDPOINT_URL" sts assume-role --role-arn "$role" --role-session-name visit --output text \
        --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]'
    read -r key secret token <<<"$out"
    local as=(env "AWS_ACCESS_KEY_ID=$key" "AWS_SECRET_ACCESS_KEY=$secret" "AWS_SESSION_TOKEN=$token"
        aws --endpoint-url "$AWS_ENDPOINT_URL")
    is "the session is who it says" "arn:aws:sts::000000000000:assumed-role/cli-role/visit" \
        "${as[@]}" sts get-caller-identity --query Arn --output text
    does "it may do what the policy allows" "${as[@]}" sqs list-queues
    refused "and nothing else, in S3" 255 AccessDenied "${as[@]}" s3api list-buckets
    refused "nor in DynamoDB, which says who, what and why" 255 \
        "An error occurred (AccessDeniedException) when calling the ListTables operation: User: arn:aws:sts::000000000000:assumed-role/cli-role/visit is not authorized to perform: dynamodb:ListTables on resource: " \
        "${as[@]}" dynamodb list-tables
    refused "nor in IAM" 255 "AccessDenied" "${as[@]}" iam list-roles
    refused "a wrong secret" 255 SignatureDoesNotMatch env "AWS_ACCESS_KEY_ID=$key" AWS_SECRET_ACCESS_KEY=wrong \
        "AWS_SESSION_TOKEN=$token" aws --endpoint-url "$AWS_ENDPOINT_URL" sts get-caller-identity
    does "iam delete-role-policy" aws iam delete-role-policy --role-name cli-role --policy-name see
    refused "the session has lost what it could do" 255 AccessDenied "${as[@]}" sqs list-queues
    does "iam delete-role" aws iam delete-role --role-name cli-role
    refused "the role is gone" 255 NoSuchEntity aws iam get-role --role-name cli-role
}

functions() {
    local trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    does "iam create-role for a function" aws iam create-role --role-name cli-function --query Role.Arn --output text \
        --assume-role-policy-document "$trust"
    local role=$out
    does "its policy for logs" aws iam put-role-policy --role-name cli-function --policy-name logs \
        --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}'
    cat >"$work/app.py" <<'END'
def handler(event, context):
    print("asked for", event["n"])
    return {"square": event["n"] ** 2, "name": context.function_name}
END
    (cd "$work" && python -m zipfile -c app.zip app.py) || untrue "a zip file can be made"
    does "lambda create-function" aws lambda create-function --function-name cli-function --runtime "$PYTHON_RUNTIME" \
        --role "$role" --handler app.handler --zip-file "fileb://$work/app.zip"
    does "lambda wait function-active" aws lambda wait function-active-v2 --function-name cli-function
    is "lambda invoke" "200	None" aws lambda invoke --function-name cli-function --payload '{"n": 12}' \
        --query '[StatusCode,FunctionError]' --output text "$work/answer"
    is "what the function returned" '{"square": 144, "name": "cli-function"}' cat "$work/answer"
    is "lambda invoke of what raises" "200	Unhandled" aws lambda invoke --function-name cli-function --payload '{}' \
        --query '[StatusCode,FunctionError]' --output text "$work/answer"
    is "what it raised" KeyError python -c 'import json, sys; print(json.load(open(sys.argv[1]))["errorType"])' "$work/answer"
    logged
    does "lambda delete-function" aws lambda delete-function --function-name cli-function
    refused "the function is gone" 255 ResourceNotFoundException aws lambda invoke --function-name cli-function "$work/answer"
}

# What a function printed comes to its log a little later, as on AWS.
logged() {
    local tries
    for tries in 1 2 3 4 5 6 7 8 9 10; do
        out=$(aws logs filter-log-events --log-group-name /aws/lambda/cli-function --filter-pattern '"asked for 12"' \
            --query 'events[].message' --output text 2>&1) || true
        [ "$(tr -d '\n' <<<"$out")" = "asked for 12" ] && break
        sleep 0.5
    done
    [ "$(tr -d '\n' <<<"$out")" = "asked for 12" ] || untrue "logs filter-log-events finds what it printed" "$out"
    held "logs filter-log-events finds what it printed"
}

stacks() {
    cat >"$work/template.yaml" <<'END'
Parameters:
  Seconds: { Type: Number, Default: 30 }
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: !Ref Seconds }
  Topic:
    Type: AWS::SNS::Topic
    Properties: { DisplayName: !Sub "of ${AWS::StackName}" }
Outputs:
  Url: { Value: !Ref Queue }
  Topic: { Value: !GetAtt Topic.TopicName }
END
    does "cloudformation deploy" aws cloudformation deploy --stack-name cli-stack --template-file "$work/template.yaml"
    is "cloudformation describe-stacks" CREATE_COMPLETE aws cloudformation describe-stacks --stack-name cli-stack \
        --query 'Stacks[0].StackStatus' --output text
    does "its output" aws cloudformation describe-stacks --stack-name cli-stack --output text \
        --query "Stacks[0].Outputs[?OutputKey=='Url'].OutputValue"
    local queue=$out
    is "is a queue with the parameter's value" 30 aws sqs get-queue-attributes --queue-url "$queue" \
        --attribute-names VisibilityTimeout --query Attributes.VisibilityTimeout --output text
    # The CLI names its change sets by the second, and CloudFormation takes no name twice.
    sleep 1.1
    does "cloudformation deploy again, with another parameter" aws cloudformation deploy --stack-name cli-stack \
        --template-file "$work/template.yaml" --parameter-overrides Seconds=45
    is "changes the same queue" 45 aws sqs get-queue-attributes --queue-url "$queue" \
        --attribute-names VisibilityTimeout --query Attributes.VisibilityTimeout --output text
    sleep 1.1
    refused "cloudformation deploy with nothing changed" 255 "No changes to deploy" aws cloudformation deploy \
        --stack-name cli-stack --template-file "$work/template.yaml" --fail-on-empty-changeset
    does "cloudformation delete-stack" aws cloudformation delete-stack --stack-name cli-stack
    does "cloudformation wait stack-delete-complete" aws cloudformation wait stack-delete-complete --stack-name cli-stack
    refused "the stack is gone" 255 "Stack with id cli-stack does not exist" \
        aws cloudformation describe-stacks --stack-name cli-stack
    refused "and its queue with it" 255 NonExistentQueue aws sqs get-queue-attributes --queue-url "$queue"
}

registries() {
    local schema=(--registry-name cli --schema-name shop@Order)
    is "schemas create-registry" arn:aws:schemas:us-east-1:000000000000:registry/cli aws schemas create-registry \
        --registry-name cli --query RegistryArn --output text
    does "schemas create-schema" aws schemas create-schema "${schema[@]}" --type JSONSchemaDraft4 \
        --content '{"title": "Order", "type": "object", "properties": {"id": {"type": "string"}}}'
    is "schemas list-schemas" "shop@Order 1" bash -c 'set -o pipefail; aws --endpoint-url "$AWS_ENDPOINT_URL" schemas list-schemas \
        --registry-name cli --query "Schemas[].[SchemaName,VersionCount]" --output text | tr "\t" " "'
    does "schemas put-code-binding" aws schemas put-code-binding "${schema[@]}" --language Go1
    does "schemas wait code-binding-exists" aws schemas wait code-binding-exists "${schema[@]}" --language Go1
    does "schemas get-code-binding-source" aws schemas get-code-binding-source "${schema[@]}" --language Go1 "$work/code.zip"
    is "is a zip" "schema/shop/order/marshaller.go schema/shop/order/order.go" python -c \
        'import sys, zipfile; print(*sorted(zipfile.ZipFile(sys.argv[1]).namelist()))' "$work/code.zip"
    is "schemas get-discovered-schema" '{"a":{"type":"string","format":"date-time"}}' bash -c 'set -o pipefail
        aws --endpoint-url "$AWS_ENDPOINT_URL" schemas get-discovered-schema --type OpenApi3 --query Content --output text \
            --events "{\"a\": \"2026-01-01T00:00:00Z\"}" | python -c "import json, sys
print(json.dumps(json.load(sys.stdin)[\"components\"][\"schemas\"][\"Event\"][\"properties\"], separators=(\",\", \":\")))"'
    refused "schemas delete-registry of one with schemas" 255 BadRequestException aws schemas delete-registry --registry-name cli
    does "schemas delete-schema" aws schemas delete-schema "${schema[@]}"
    does "schemas delete-registry" aws schemas delete-registry --registry-name cli
}

trails() {
    local trail=arn:aws:cloudtrail:us-east-1:000000000000:trail/cli-trail start now
    start=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    does "s3 mb of a bucket for trails" aws s3 mb s3://cli-trails
    does "s3api put-bucket-policy of CloudTrail's guide" aws s3api put-bucket-policy --bucket cli-trails --policy '{
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl",
                "Resource": "arn:aws:s3:::cli-trails", "Condition": {"StringEquals": {"aws:SourceArn": "'$trail'"}}},
            {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject",
                "Resource": "arn:aws:s3:::cli-trails/AWSLogs/000000000000/*", "Condition": {"StringEquals":
                    {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceArn": "'$trail'"}}}]}'
    is "cloudtrail create-trail" "$trail" aws cloudtrail create-trail --name cli-trail --s3-bucket-name cli-trails \
        --is-multi-region-trail --enable-log-file-validation --query TrailARN --output text
    does "cloudtrail start-logging" aws cloudtrail start-logging --name cli-trail
    does "iam create-user" aws iam create-user --user-name cli-trailed
    is "cloudtrail lookup-events" CreateUser aws cloudtrail lookup-events --lookup-attributes \
        AttributeKey=ResourceName,AttributeValue=cli-trailed --query 'Events[0].EventName' --output text
    for hour in 1 2; do
        does "an hour passes" curl --silent --fail "$AWS_ENDPOINT_URL/_undercast/clock" \
            --data '{"action": "advance", "seconds": 3660}'
    done
    now=$(date -u -d "+3 hours" +%Y-%m-%dT%H:%M:%SZ)
    does "cloudtrail validate-logs" aws cloudtrail validate-logs --trail-arn $trail --start-time "$start" --end-time "$now"
    # One more where an hour has just begun.
    case $out in *[23]"/"[23]" digest files valid"*"log files valid"*) held "all is valid" ;; *) untrue "all is valid" "$out" ;; esac
    local key
    key=$(aws s3api list-objects-v2 --bucket cli-trails --prefix AWSLogs/000000000000/CloudTrail/ --query 'Contents[0].Key' --output text)
    echo forged | gzip > "$work/forged.gz"
    does "s3 cp over a file of the trail" aws s3 cp "$work/forged.gz" "s3://cli-trails/$key"
    refused "cloudtrail validate-logs of a forged file" 1 "INVALID: hash value doesn't match" \
        aws cloudtrail validate-logs --trail-arn $trail --start-time "$start" --end-time "$now"
    does "cloudtrail delete-trail" aws cloudtrail delete-trail --name cli-trail
    # Those who come after it sign by the machine's clock.
    does "the clock goes back" curl --silent --fail "$AWS_ENDPOINT_URL/_undercast/clock" \
        --data '{"action": "set", "to": "'"$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)"'"}'
}

# Runs an execution to its end, and says how it ended.
ended() {
    local tries
    for tries in $(seq 100); do
        out=$(aws stepfunctions describe-execution --execution-arn "$1" --query status --output text) || return 1
        [ "$out" = RUNNING ] || break
        sleep 0.1
    done
    echo "$out"
}

machines() {
    local machine=arn:aws:states:us-east-1:000000000000:stateMachine:cli-machine execution
    does "iam create-role for a machine" aws iam create-role --role-name cli-machine --assume-role-policy-document \
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
    does "its policy for queues" aws iam put-role-policy --role-name cli-machine --policy-name queues --policy-document \
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}'
    does "sqs create-queue for a machine" aws sqs create-queue --queue-name cli-machine --query QueueUrl --output text
    local queue=$out
    cat >"$work/machine.json" <<END
{"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Send", "States": {
    "Send": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true, "ResultSelector": {"id.\$": "\$.MessageId"},
        "Parameters": {"QueueUrl": "$queue", "MessageBody": {"n.\$": "\$"}}, "Retry": [{"ErrorEquals": ["States.ALL"]}]}}},
    "End": true}}}
END
    is "stepfunctions validate-state-machine-definition" OK aws stepfunctions validate-state-machine-definition \
        --definition "file://$work/machine.json" --query result --output text
    is "stepfunctions create-state-machine" $machine aws stepfunctions create-state-machine --name cli-machine \
        --definition "file://$work/machine.json" --role-arn arn:aws:iam::000000000000:role/cli-machine --query stateMachineArn --output text
    does "stepfunctions start-execution" aws stepfunctions start-execution --state-machine-arn $machine --name one \
        --input '[1, 2, 3]' --query executionArn --output text
    execution=$out
    is "it succeeds" SUCCEEDED ended "$execution"
    is "sqs get-queue-attributes counts what it sent" 3 aws sqs get-queue-attributes --queue-url "$queue" \
        --attribute-names ApproximateNumberOfMessages --query Attributes.ApproximateNumberOfMessages --output text
    is "stepfunctions get-execution-history" "ExecutionStarted ExecutionSucceeded 3" bash -c 'set -o pipefail
        aws --endpoint-url "$AWS_ENDPOINT_URL" stepfunctions get-execution-history --execution-arn "$0" \
            --query "[events[0].type,events[-1].type,length(events[?type==\`TaskSucceeded\`])]" --output text | tr "\t" " "' "$execution"
    refused "stepfunctions start-execution with a name that was used" 255 ExecutionAlreadyExists aws stepfunctions start-execution \
        --state-machine-arn $machine --name one --input '[]'
    does "stepfunctions delete-state-machine" aws stepfunctions delete-state-machine --state-machine-arn $machine
}

# All parts, or those that are named.
[ $# -gt 0 ] || set -- identity buckets queues topics tables roles functions machines stacks registries trails
for part in "$@"; do
    $part
done
echo "AWS CLI: $checked things hold"
